package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// leaves are the Go types with a form of their own on the wire.
var leaves = map[reflect.Type]string{
	reflect.TypeFor[resource.Quantity]():         "quantity",
	reflect.TypeFor[intstr.IntOrString]():        "intorstring",
	reflect.TypeFor[metav1.Time]():               "time",
	reflect.TypeFor[metav1.MicroTime]():          "microtime",
	reflect.TypeFor[metav1.Duration]():           "duration",
	reflect.TypeFor[metav1.FieldsV1]():           "fieldsv1",
	reflect.TypeFor[runtime.RawExtension]():      "raw",
	reflect.TypeFor[runtime.Object]():            "raw",
	reflect.TypeFor[apiextensionsv1.JSON]():      "raw",
	reflect.TypeFor[apiextensionsv1beta1.JSON](): "raw",
	reflect.TypeFor[any]():                       "json",
	reflect.TypeFor[[]byte]():                    "bytes",
}

// unions are written in JSON as the value of the one field that is set.
var unions = map[reflect.Type]bool{
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():            true,
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():             true,
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray]():      true,
	reflect.TypeFor[apiextensionsv1beta1.JSONSchemaPropsOrArray]():       true,
	reflect.TypeFor[apiextensionsv1beta1.JSONSchemaPropsOrBool]():        true,
	reflect.TypeFor[apiextensionsv1beta1.JSONSchemaPropsOrStringArray](): true,
}

type field struct {
	name, shape string
	number      int
	via         []int
	flags       []string
}

type message struct {
	name   string
	kind   string
	atomic bool
	union  bool
	fields []field
}

type collector struct {
	published published
	packages  map[string]schema.GroupVersion // Go package → group and version
	kinds     map[reflect.Type]string        // type → group/version/Kind
	messages  map[string]*message
}

func renderTypes() ([]byte, error) {
	c := &collector{
		published: loadPublished(),
		packages:  map[string]schema.GroupVersion{metaPackage: {Group: "meta", Version: "v1"}},
		kinds:     map[reflect.Type]string{},
		messages:  map[string]*message{},
	}
	scheme := everything()
	roots := map[reflect.Type]bool{}
	for gvk, t := range scheme.AllKnownTypes() {
		home := t.PkgPath()
		switch {
		case gvk.Version == runtime.APIVersionInternal || strings.HasSuffix(home, "/meta/v1beta1") || t.Name() == "InternalEvent":
			continue
		case home == metaPackage:
			if c.kinds[t] == "" {
				c.kinds[t] = metaKind(scheme, t, gvk)
			}
		default:
			if c.packages[home] != (schema.GroupVersion{}) && c.packages[home] != coreNamed(gvk.GroupVersion()) {
				return nil, fmt.Errorf("%s belongs to two groups", home)
			}
			c.packages[home] = coreNamed(gvk.GroupVersion())
			c.kinds[t] = gvk.Group + "/" + gvk.Version + "/" + gvk.Kind
		}
		roots[t] = true
	}
	for t := range roots {
		if err := c.message(t); err != nil {
			return nil, err
		}
	}
	return c.print(), nil
}

func coreNamed(gv schema.GroupVersion) schema.GroupVersion {
	if gv.Group == "" {
		gv.Group = "core"
	}
	return gv
}

// metaKind is the name by which clients know a kind of the shared package.
func metaKind(scheme *runtime.Scheme, t reflect.Type, gvk schema.GroupVersionKind) string {
	if object, ok := reflect.New(t).Interface().(runtime.Object); ok {
		if unversioned, registered := scheme.IsUnversioned(object); registered && unversioned {
			return "/v1/" + gvk.Kind
		}
	}
	return meta.Group + "/" + meta.Version + "/" + gvk.Kind
}

func (c *collector) name(t reflect.Type) (string, error) {
	home, known := c.packages[t.PkgPath()]
	if !known {
		return "", fmt.Errorf("%s: package %s has no group and version", t, t.PkgPath())
	}
	return home.Group + "/" + home.Version + "." + t.Name(), nil
}

// message records a struct type and all types below it.
func (c *collector) message(t reflect.Type) error {
	name, err := c.name(t)
	if err != nil || c.messages[name] != nil {
		return err
	}
	m := &message{name: name, kind: c.kinds[t], union: unions[t]}
	c.messages[name] = m
	definition := c.published.of(t)
	if definition == nil {
		if m.kind == "" || strings.Contains(m.kind, "meta.k8s.io") {
			fmt.Fprintln(os.Stderr, "no OpenAPI definition:", name)
		}
		definition = &spec.Schema{}
	}
	if mapType, found := extension(definition, "x-kubernetes-map-type"); found {
		m.atomic = mapType == "atomic"
	}
	if err := c.fields(m, t, embedding{inProtobuf: true}, definition); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, f := range m.fields {
		if seen[f.name] {
			return fmt.Errorf("%s has two fields %s", name, f.name)
		}
		seen[f.name] = true
	}
	for property := range definition.Properties {
		if !seen[property] {
			return fmt.Errorf("%s lacks the published field %s", name, property)
		}
	}
	return nil
}

// embedding is where the fields of an embedded struct stand.
type embedding struct {
	names      []string // Go names of the embedded structs, outermost first
	via        []int    // their protobuf numbers
	inProtobuf bool
}

// inside enters an embedded struct; without a number of its own (TypeMeta) it is in JSON only.
func (e embedding) inside(name string, number int) embedding {
	inner := embedding{names: append(slices.Clone(e.names), name), via: e.via, inProtobuf: e.inProtobuf && number != 0}
	if inner.inProtobuf {
		inner.via = append(slices.Clone(e.via), number)
	}
	return inner
}

// fields appends the fields of t, the embedded ones in their place.
func (c *collector) fields(m *message, t reflect.Type, place embedding, definition *spec.Schema) error {
	for i := range t.NumField() {
		goField := t.Field(i)
		if !goField.IsExported() {
			continue
		}
		jsonName, options, _ := strings.Cut(goField.Tag.Get("json"), ",")
		if jsonName == "-" && !m.union {
			if goField.Tag.Get("protobuf") != "" {
				return fmt.Errorf("%s.%s: in protobuf but not in JSON", m.name, goField.Name)
			}
			continue
		}
		number, protoName, err := protobufTag(goField.Tag.Get("protobuf"))
		if err != nil {
			return fmt.Errorf("%s.%s: %w", m.name, goField.Name, err)
		}
		if goField.Anonymous && jsonName == "" {
			if goField.Type.Kind() != reflect.Struct {
				return fmt.Errorf("%s.%s: embedded, but no struct", m.name, goField.Name)
			}
			if err := c.fields(m, goField.Type, place.inside(goField.Name, number), definition); err != nil {
				return err
			}
			continue
		}
		if !place.inProtobuf {
			number = 0
		}
		if m.union {
			// Never seen in JSON: protobuf's name, in our spelling.
			jsonName = strings.Replace(protoName, "jSON", "json", 1)
		}
		if jsonName == "" {
			jsonName = goField.Name
			if protoName != "" {
				return fmt.Errorf("%s.%s: no JSON name", m.name, goField.Name)
			}
		}
		f := field{name: jsonName, number: number, via: place.via}
		if f.shape, err = c.shape(goField.Type); err != nil {
			return fmt.Errorf("%s.%s: %w", m.name, goField.Name, err)
		}
		property, found := definition.Properties[jsonName]
		if !found && len(definition.Properties) > 0 {
			return fmt.Errorf("%s.%s: not in the published definition", m.name, jsonName)
		}
		if f.flags, err = flags(m.name, goField, options, &property, slices.Contains(definition.Required, jsonName)); err != nil {
			return fmt.Errorf("%s.%s: %w", m.name, jsonName, err)
		}
		if name := goName(goField.Type); name != c.derivedGoName(f.shape) {
			f.flags = append(f.flags, "go="+name)
		}
		if len(place.names) > 0 {
			f.flags = append(f.flags, "in="+strings.Join(place.names, "."))
		}
		for i, flag := range f.flags {
			f.flags[i] = strings.NewReplacer("%", "%25", " ", "%20").Replace(flag)
		}
		m.fields = append(m.fields, f)
	}
	return nil
}

func protobufTag(tag string) (number int, name string, err error) {
	if tag == "" || tag == "-" {
		return 0, "", nil
	}
	parts := strings.Split(tag, ",")
	for _, part := range parts {
		if rest, found := strings.CutPrefix(part, "name="); found {
			name = rest
		}
	}
	number, err = strconv.Atoi(parts[1])
	return number, name, err
}

// shape names a type as the table does, and records the messages in it.
func (c *collector) shape(t reflect.Type) (string, error) {
	if leaf, found := leaves[t]; found {
		return leaf, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.shape(t.Elem())
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "bool", nil
	case reflect.Int32:
		return "int32", nil
	case reflect.Int64:
		return "int64", nil
	case reflect.Float64:
		return "double", nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		if t.Elem().Kind() == reflect.Pointer {
			return "", fmt.Errorf("a list of pointers")
		}
		element, err := c.shape(t.Elem())
		// A named list that is a message of its own in protobuf, with the elements in field 1.
		if _, wrapped := reflect.New(t).Interface().(interface{ Marshal() ([]byte, error) }); wrapped {
			return "[*]" + element, err
		}
		return "[]" + element, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return "", fmt.Errorf("a map by %s", t.Key())
		}
		value, err := c.shape(t.Elem())
		return "{}" + value, err
	case reflect.Struct:
		if _, custom := reflect.New(t).Interface().(json.Marshaler); custom && !unions[t] {
			return "", fmt.Errorf("%s writes its own JSON", t)
		}
		if err := c.message(t); err != nil {
			return "", err
		}
		return c.name(t)
	default:
		return "", fmt.Errorf("a %s", t.Kind())
	}
}

// goName is how upstream's decoding errors call a type.
func goName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.String()
}

// derivedGoName is the name that a reader of the table guesses from the shape alone.
func (c *collector) derivedGoName(shape string) string {
	if rest, found := strings.CutPrefix(shape, "{}"); found {
		return "map[string]" + c.derivedGoName(rest)
	}
	if rest, found := strings.CutPrefix(shape, "[]"); found {
		return "[]" + c.derivedGoName(rest)
	}
	switch shape {
	case "bytes":
		return "[]uint8"
	case "double":
		return "float64"
	case "quantity":
		return "resource.Quantity"
	case "intorstring":
		return "intstr.IntOrString"
	case "time":
		return "v1.Time"
	case "microtime":
		return "v1.MicroTime"
	case "duration":
		return "v1.Duration"
	case "fieldsv1":
		return "v1.FieldsV1"
	case "raw":
		return "runtime.RawExtension"
	}
	_, name, isMessage := strings.Cut(shape, "/")
	if isMessage {
		return name
	}
	return shape
}

func flags(owner string, goField reflect.StructField, options string, property *spec.Schema, required bool) ([]string, error) {
	var out []string
	pointer := goField.Type.Kind() == reflect.Pointer
	if pointer {
		out = append(out, "ptr")
	}
	omitEmpty := slices.Contains(strings.Split(options, ","), "omitempty")
	omitZero := slices.Contains(strings.Split(options, ","), "omitzero")
	structValue := goField.Type.Kind() == reflect.Struct
	switch {
	case omitZero && !structValue:
		return nil, fmt.Errorf("omitzero on a %s", goField.Type.Kind())
	case omitZero, omitEmpty && !structValue:
		// encoding/json knows no empty struct: omitempty alone leaves it in.
		out = append(out, "omit")
	}
	if required {
		out = append(out, "req")
	}
	if mapType, found := extension(property, "x-kubernetes-map-type"); found && (mapType == "atomic" || mapType == "granular") {
		out = append(out, mapType)
	}
	if listType, found := extension(property, "x-kubernetes-list-type"); found {
		switch listType {
		case "atomic":
		case "set":
			out = append(out, "list=set")
		case "map":
			keys, found := property.Extensions.GetStringSlice("x-kubernetes-list-map-keys")
			if !found {
				return nil, fmt.Errorf("a map without keys")
			}
			out = append(out, "list=map:"+strings.Join(keys, ","))
		default:
			return nil, fmt.Errorf("list type %s", listType)
		}
	}
	for _, strategy := range strings.Split(goField.Tag.Get("patchStrategy"), ",") {
		switch key := goField.Tag.Get("patchMergeKey"); {
		case strategy == "merge" && key != "":
			out = append(out, "merge="+key)
		case strategy == "merge", strategy == "retainKeys":
			out = append(out, strategy)
		case strategy == "", strategy == "replace":
		default:
			return nil, fmt.Errorf("patch strategy %s", strategy)
		}
	}
	if property.Default != nil && (pointer || (omitEmpty && !structValue) || !reflect.ValueOf(property.Default).IsZero() && !empty(property.Default)) {
		text, err := json.Marshal(property.Default)
		if err != nil {
			return nil, err
		}
		out = append(out, "default="+string(text))
	}
	enum := property.Enum
	if property.Items != nil && property.Items.Schema != nil && len(enum) == 0 {
		enum = property.Items.Schema.Enum
	}
	var values []string
	for _, value := range enum {
		values = append(values, fmt.Sprint(value))
	}
	if len(values) > 0 {
		out = append(out, "enum="+strings.Join(values, "|"))
	}
	return out, nil
}

// empty tells the default {} that upstream publishes for every struct by value.
func empty(value any) bool {
	object, ok := value.(map[string]any)
	return ok && len(object) == 0
}

func (c *collector) print() []byte {
	var names []string
	for name := range c.messages {
		names = append(names, name)
	}
	sort.Strings(names)
	var out bytes.Buffer
	out.WriteString("# Every message type of Kubernetes v1.37.1: made by hack/upstream/schema, do not edit.\n")
	out.WriteString("# type <name> [kind=<group>/<version>/<Kind>] [atomic] [union]; then per field, in JSON order:\n")
	out.WriteString("# go=<Go type> where decoding errors call it otherwise than its shape does, in=<embedded Go structs around the field>\n")
	out.WriteString("# <json name> TAB <protobuf number>[/<numbers of the embedded messages around it, outermost first, dotted>] TAB <shape> TAB <flags>\n")
	for _, name := range names {
		m := c.messages[name]
		fmt.Fprintf(&out, "\ntype %s", m.name)
		if m.kind != "" {
			fmt.Fprintf(&out, " kind=%s", m.kind)
		}
		if m.atomic {
			out.WriteString(" atomic")
		}
		if m.union {
			out.WriteString(" union")
		}
		out.WriteString("\n")
		for _, f := range m.fields {
			number := strconv.Itoa(f.number)
			for i, v := range f.via {
				number += map[bool]string{true: "/", false: "."}[i == 0] + strconv.Itoa(v)
			}
			fmt.Fprintf(&out, "%s\t%s\t%s\t%s\n", f.name, number, f.shape, strings.Join(f.flags, " "))
		}
	}
	return out.Bytes()
}
