// Command wasm-tags prints the build tags with which upstream builds its WASM client, so that ours is the same. Only
// tailscale_go is left out: it needs upstream's own Go toolchain.
package main

import (
	"fmt"
	"slices"
	"strings"

	"tailscale.com/cmd/tsconnect/wasmbuild"
)

func main() {
	tags := strings.Split(wasmbuild.Tags(), ",")
	tags = slices.DeleteFunc(tags, func(tag string) bool { return tag == "tailscale_go" })
	fmt.Println(strings.Join(tags, ","))
}
