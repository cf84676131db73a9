package main

import (
	"reflect"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	aggregator "k8s.io/kube-aggregator/pkg/generated/openapi"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	kubernetes "k8s.io/kubernetes/pkg/generated/openapi"
)

// published holds the OpenAPI definitions by model name.
type published map[string]common.OpenAPIDefinition

func loadPublished() published {
	ref := func(name string) spec.Ref { return spec.MustCreateRef(name) }
	all := published{}
	for _, definitions := range []common.GetOpenAPIDefinitions{
		apiextensions.GetOpenAPIDefinitions, aggregator.GetOpenAPIDefinitions, kubernetes.GetOpenAPIDefinitions,
	} {
		for name, definition := range definitions(ref) {
			all[name] = definition
		}
	}
	return all
}

// of finds the definition of a Go type; nil where upstream publishes none.
func (p published) of(t reflect.Type) *spec.Schema {
	name := t.PkgPath() + "." + t.Name()
	if named, ok := reflect.New(t).Elem().Interface().(interface{ OpenAPIModelName() string }); ok {
		name = named.OpenAPIModelName()
	}
	definition, found := p[name]
	if !found {
		return nil
	}
	return &definition.Schema
}

func extension(s *spec.Schema, name string) (string, bool) { return s.Extensions.GetString(name) }
