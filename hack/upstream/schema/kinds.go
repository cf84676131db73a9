package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// discovery is every group that the server serves, the core group first, in its order of priority.
func (s *server) discovery() ([]apidiscovery.APIGroupDiscovery, error) {
	var groups []apidiscovery.APIGroupDiscovery
	for _, path := range []string{"/api", "/apis"} {
		body, err := s.get(path, aggregated)
		if err != nil {
			return nil, err
		}
		var list apidiscovery.APIGroupDiscoveryList
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, err
		}
		groups = append(groups, list.Items...)
	}
	return groups, nil
}

func versionPath(group, version string) string {
	if group == "" {
		return "/api/" + version
	}
	return "/apis/" + group + "/" + version
}

// home is where objects of a resource are created and listed.
func home(group, version string, r *apidiscovery.APIResourceDiscovery) string {
	if r.Scope == apidiscovery.ScopeNamespace {
		return versionPath(group, version) + "/namespaces/" + sampleNamespace + "/" + r.Resource
	}
	return versionPath(group, version) + "/" + r.Resource
}

// storage is how a resource is kept in etcd.
type storage struct{ prefix, version string }

func renderKinds(s *server) ([]byte, error) {
	groups, err := s.discovery()
	if err != nil {
		return nil, err
	}
	samples, err := loadSamples()
	if err != nil {
		return nil, err
	}
	namespace := fmt.Sprintf(`{"metadata":{"name":%q}}`, sampleNamespace)
	if _, err := s.do("POST", "/api/v1/namespaces", "", []byte(namespace)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# Every resource that Kubernetes v1.37.1 serves by default: made by hack/upstream/schema, do not edit.\n")
	out.WriteString("# group <name> <versions, the preferred one first>; groups stand in upstream's order of priority\n")
	out.WriteString("# resource <group>/<version>/<resource> <kind> <singular> cluster|namespaced short=.. categories=.. verbs=.. storage=<group>/<version> prefix=<etcd key prefix>\n")
	out.WriteString("# sub <subresource> <group>/<version>/<kind> verbs=..   belongs to the resource above it\n")
	for _, group := range groups {
		var versions []string
		for _, version := range group.Versions {
			versions = append(versions, version.Version)
		}
		fmt.Fprintf(&out, "\ngroup %q %s\n", group.Name, strings.Join(versions, ","))
		for _, version := range group.Versions {
			for _, r := range version.Resources {
				key := schema.GroupVersionResource{Group: group.Name, Version: version.Version, Resource: r.Resource}
				kept, err := s.storageOf(key, &r, samples)
				if err != nil {
					return nil, err
				}
				printResource(&out, key, &r, kept)
			}
		}
	}
	return out.Bytes(), nil
}

func printResource(out *bytes.Buffer, key schema.GroupVersionResource, r *apidiscovery.APIResourceDiscovery, kept *storage) {
	scope := "cluster"
	if r.Scope == apidiscovery.ScopeNamespace {
		scope = "namespaced"
	}
	fmt.Fprintf(out, "resource %s/%s/%s %s %s %s", key.Group, key.Version, key.Resource, r.ResponseKind.Kind, r.SingularResource, scope)
	for _, list := range []struct {
		name   string
		values []string
	}{{"short", r.ShortNames}, {"categories", r.Categories}, {"verbs", r.Verbs}} {
		if len(list.values) > 0 {
			fmt.Fprintf(out, " %s=%s", list.name, strings.Join(list.values, ","))
		}
	}
	if kept != nil {
		fmt.Fprintf(out, " storage=%s prefix=%s", kept.version, kept.prefix)
	}
	out.WriteString("\n")
	for _, sub := range r.Subresources {
		kind := *r.ResponseKind
		if sub.ResponseKind != nil && sub.ResponseKind.Kind != "" {
			kind = *sub.ResponseKind
		}
		// The kind lacks group and version where they are the resource's own.
		if kind.Version == "" {
			kind.Group, kind.Version = key.Group, key.Version
		}
		fmt.Fprintf(out, "sub %s %s verbs=%s\n", sub.Subresource, gvkText(kind), strings.Join(sub.Verbs, ","))
	}
}

func gvkText(kind metav1.GroupVersionKind) string {
	return kind.Group + "/" + kind.Version + "/" + kind.Kind
}

// storageOf creates the resource's sample and looks where and as what it arrives in etcd; nil for resources that are not kept.
func (s *server) storageOf(key schema.GroupVersionResource, r *apidiscovery.APIResourceDiscovery, samples map[schema.GroupVersionResource]string) (*storage, error) {
	sample, found := samples[key]
	if !found {
		// Kept under another version or group (events), or not kept: told apart by whether it can be watched.
		for other, text := range samples {
			if other.Resource == key.Resource && other.Group == key.Group {
				sample, found = text, true
			}
		}
	}
	if !found {
		if contains(r.Verbs, "watch") {
			return nil, fmt.Errorf("%s: no sample", key)
		}
		return nil, nil
	}
	before, err := s.stored()
	if err != nil {
		return nil, err
	}
	answer, err := s.do("POST", home(key.Group, key.Version, r), "", []byte(sample))
	if err != nil {
		return nil, err
	}
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(answer, &object); err != nil {
		return nil, err
	}
	after, err := s.stored()
	if err != nil {
		return nil, err
	}
	tail := "/" + object.Name
	if object.Namespace != "" {
		tail = "/" + object.Namespace + tail
	}
	for path, value := range after {
		if _, old := before[path]; old || !strings.HasSuffix(path, tail) {
			continue
		}
		apiVersion, kind, err := storedType(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if kind != r.ResponseKind.Kind {
			continue
		}
		if _, err := s.do("DELETE", home(key.Group, key.Version, r)+"/"+object.Name, "", []byte(`{"gracePeriodSeconds":0}`)); err != nil {
			return nil, err
		}
		if !strings.Contains(apiVersion, "/") {
			apiVersion = "/" + apiVersion
		}
		return &storage{prefix: strings.TrimSuffix(strings.TrimPrefix(path, "/registry/"), tail), version: apiVersion}, nil
	}
	fmt.Fprintf(os.Stderr, "%s: its sample is not in etcd\n", key)
	return nil, nil
}

func contains(list []string, value string) bool {
	for _, item := range list {
		if item == value {
			return true
		}
	}
	return false
}

// storedType reads apiVersion and kind of an etcd value: the protobuf envelope, or JSON.
func storedType(value []byte) (apiVersion, kind string, err error) {
	rest, isProtobuf := bytes.CutPrefix(value, []byte("k8s\x00"))
	if !isProtobuf {
		var meta metav1.TypeMeta
		err = json.Unmarshal(value, &meta)
		return meta.APIVersion, meta.Kind, err
	}
	typeMeta, err := lengthDelimited(rest, 1)
	if err != nil {
		return "", "", err
	}
	version, err := lengthDelimited(typeMeta, 1)
	if err != nil {
		return "", "", err
	}
	name, err := lengthDelimited(typeMeta, 2)
	return string(version), string(name), err
}

// lengthDelimited finds a field in a message that has length-delimited fields only.
func lengthDelimited(message []byte, number uint64) ([]byte, error) {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag&7 != 2 {
			break
		}
		length, m := binary.Uvarint(message[n:])
		if m <= 0 || uint64(len(message)-n-m) < length {
			break
		}
		body := message[n+m:]
		if tag>>3 == number {
			return body[:length], nil
		}
		message = body[length:]
	}
	return nil, fmt.Errorf("protobuf field %d is missing", number)
}
