package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// renderColumns asks every resource that can be listed for an (empty) Table.
func renderColumns(s *server) ([]byte, error) {
	groups, err := s.discovery()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# The Table columns of every listable resource of Kubernetes v1.37.1: made by hack/upstream/schema, do not edit.\n")
	out.WriteString("# table <group>/<version>/<resource>; then <name> TAB <type> TAB <format> TAB <priority>\n")
	for _, group := range groups {
		for _, version := range group.Versions {
			for _, r := range version.Resources {
				if !contains(r.Verbs, "list") {
					continue
				}
				body, err := s.get(home(group.Name, version.Version, &r)+"?limit=1", asTable)
				if err != nil {
					return nil, err
				}
				var table metav1.Table
				if err := json.Unmarshal(body, &table); err != nil {
					return nil, err
				}
				if table.Kind != "Table" {
					return nil, fmt.Errorf("%s: not a Table: %.100s", r.Resource, body)
				}
				fmt.Fprintf(&out, "\ntable %s/%s/%s\n", group.Name, version.Version, r.Resource)
				for _, c := range table.ColumnDefinitions {
					fmt.Fprintf(&out, "%s\t%s\t%s\t%d\n", c.Name, c.Type, c.Format, c.Priority)
				}
			}
		}
	}
	return out.Bytes(), nil
}
