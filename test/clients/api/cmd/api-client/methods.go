package main

import (
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"slices"

	"tailscale.com/client/tailscale/v2"
)

// recorder notes which methods of the client send requests: they are on the stack of each request.
type recorder struct {
	seen map[string]bool
}

func newRecorder() *recorder { return &recorder{seen: map[string]bool{}} }

// client is an HTTP client whose requests are recorded.
func (r *recorder) client() *http.Client { return &http.Client{Transport: r} }

var resourceMethod = regexp.MustCompile(`^tailscale\.com/client/tailscale/v2\.\(\*(\w+)\)\.(\w+)$`)

// RoundTrip sends a request; http.Client calls it on the goroutine of whoever wants the answer.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for {
		frame, more := frames.Next()
		if match := resourceMethod.FindStringSubmatch(frame.Function); match != nil {
			r.seen[match[1]+"."+match[2]] = true
		}
		if !more {
			return http.DefaultTransport.RoundTrip(request)
		}
	}
}

// resourceMethods lists the methods of all resources of the client, such as DevicesResource.List.
func resourceMethods() []string {
	client := reflect.TypeFor[*tailscale.Client]()
	methods := []string{}
	for i := range client.NumMethod() {
		accessor := client.Method(i).Type
		if accessor.NumIn() != 1 || accessor.NumOut() != 1 || accessor.Out(0).Kind() != reflect.Pointer {
			panic("a method of the client is no resource: " + client.Method(i).Name)
		}
		resource := accessor.Out(0)
		for j := range resource.NumMethod() {
			name := resource.Method(j).Name
			if _, isOfClient := client.MethodByName(name); !isOfClient { // resources embed the client
				methods = append(methods, resource.Elem().Name()+"."+name)
			}
		}
	}
	return methods
}

// methods tells how many methods there are, and which of them no step has called.
func (r *round) methods() {
	r.step("methods", func() (any, error) {
		all := resourceMethods()
		never := slices.DeleteFunc(slices.Clone(all), func(method string) bool { return r.recorder.seen[method] })
		return map[string]any{"there": len(all), "never": never}, nil
	})
}
