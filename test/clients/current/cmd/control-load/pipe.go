package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
)

// runPipe copies bytes between each client and a connection of its own to the target: the least that a proxy can do.
// It prints {"port"} when it listens.
func runPipe(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: control-load pipe HOST:PORT")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := json.NewEncoder(os.Stdout).Encode(map[string]int{"port": port}); err != nil {
		return err
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go join(client, args[0])
	}
}

func join(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	forward := func(to, from net.Conn) {
		// Readers and writers without their own shortcuts: the pipe must see the bytes, as any proxy must that does more.
		io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
		done <- struct{}{}
	}
	go forward(server, client)
	go forward(client, server)
	<-done
}
