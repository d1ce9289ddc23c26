// Command hujson-format is upstream's formatter of HuJSON: it reads a JSON array of documents and prints an array with
// what each is in canonical form, null for those that are not well-formed.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/tailscale/hujson"
)

func main() {
	var documents []string
	if err := json.NewDecoder(os.Stdin).Decode(&documents); err != nil {
		fmt.Fprintln(os.Stderr, "hujson-format:", err)
		os.Exit(1)
	}
	formatted := make([]*string, len(documents))
	for i, document := range documents {
		if text, err := hujson.Format([]byte(document)); err == nil {
			formatted[i] = new(string)
			*formatted[i] = string(text)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(formatted); err != nil {
		fmt.Fprintln(os.Stderr, "hujson-format:", err)
		os.Exit(1)
	}
}
