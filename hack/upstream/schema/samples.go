package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const sampleNamespace = "sample"

// loadSamples reads the minimal object of every stored resource from the source of upstream's storage path test: read as
// text, since compiling that package would build a whole API server.
func loadSamples() (map[schema.GroupVersionResource]string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").Output()
	if err != nil {
		return nil, fmt.Errorf("go list k8s.io/kubernetes: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(dir)), "test", "integration", "etcd", "data.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	samples := map[schema.GroupVersionResource]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		entry, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		call, isCall := entry.Key.(*ast.CallExpr)
		data, isData := entry.Value.(*ast.CompositeLit)
		if !isCall || !isData || len(call.Args) != 3 {
			return true
		}
		key := schema.GroupVersionResource{Group: text(call.Args[0]), Version: text(call.Args[1]), Resource: text(call.Args[2])}
		for _, element := range data.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				if name, ok := pair.Key.(*ast.Ident); ok && name.Name == "Stub" {
					samples[key] = text(pair.Value)
				}
			}
		}
		return true
	})
	if len(samples) == 0 {
		return nil, fmt.Errorf("no sample in %s", path)
	}
	return samples, nil
}

// text evaluates a concatenation of string literals; a variable in it is the namespace or an image.
func text(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		value, err := strconv.Unquote(e.Value)
		if err != nil {
			return ""
		}
		return value
	case *ast.BinaryExpr:
		return text(e.X) + text(e.Y)
	case *ast.Ident:
		if e.Name == "namespace" {
			return sampleNamespace
		}
		return "image"
	default:
		return ""
	}
}
