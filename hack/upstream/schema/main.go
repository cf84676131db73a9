// Command schema writes the tables under api/schema from what upstream publishes: Go types, their tags, the OpenAPI
// definitions, and what a running kube-apiserver says of itself. Only facts are taken (names, numbers, types, keys),
// no sentence.
//
//	go run ./schema types                      > ../../api/schema/types.txt
//	go run ./schema -binaries DIR kinds        > ../../api/schema/kinds.txt
//	go run ./schema -binaries DIR columns      > ../../api/schema/columns.txt
//	go run ./schema -seed 7 -count 3 objects   prints random objects of every kind, for tests of the codecs
//	go run ./schema -check FILE types          fails when FILE is stale
//
// DIR holds kube-apiserver and etcd: hack/upstream/build prints it. Run it from hack/upstream with GOFLAGS=-mod=readonly: Go would
// otherwise reorder go.mod, which names the cache of the upstream binaries.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
)

func main() {
	check := flag.String("check", "", "compare with this `file` instead of printing")
	seed := flag.Int64("seed", 1, "of random objects")
	count := flag.Int("count", 1, "random objects of each kind")
	binaries := flag.String("binaries", "", "`directory` of kube-apiserver and etcd, for kinds and columns")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	table, err := render(flag.Arg(0), *binaries, *seed, *count)
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
	if *check == "" {
		os.Stdout.Write(table)
		return
	}
	have, err := os.ReadFile(*check)
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
	if !bytes.Equal(have, table) {
		fmt.Fprintf(os.Stderr, "schema: %s is stale: %s\n", *check, firstDifference(have, table))
		os.Exit(1)
	}
}

func render(table, binaries string, seed int64, count int) ([]byte, error) {
	switch table {
	case "types":
		return renderTypes()
	case "objects":
		return renderObjects(seed, count)
	case "kinds", "columns":
		if binaries == "" {
			return nil, fmt.Errorf("%s needs -binaries", table)
		}
		server, err := startServer(binaries)
		if err != nil {
			return nil, err
		}
		defer server.stop()
		if table == "kinds" {
			return renderKinds(server)
		}
		return renderColumns(server)
	default:
		return nil, fmt.Errorf("no such table: %s", table)
	}
}

func firstDifference(have, want []byte) string {
	a, b := bytes.Split(have, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range b {
		if i >= len(a) || !bytes.Equal(a[i], b[i]) {
			return fmt.Sprintf("line %d should be %q", i+1, b[i])
		}
	}
	return fmt.Sprintf("%d lines too many", len(a)-len(b))
}
