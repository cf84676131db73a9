package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"sort"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// renderObjects writes random objects of every kind, one a line: group, version, kind, protobuf (base64), the JSON which
// upstream makes of that, and the protobuf and JSON which it makes of that JSON. They hold what samples do not: zero values,
// absent and empty lists, nil pointers.
func renderObjects(seed int64, count int) ([]byte, error) {
	scheme := everything()
	codec := protobuf.NewSerializer(scheme, scheme)
	text := jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, scheme, scheme, jsonserializer.SerializerOptions{})
	var kinds []schema.GroupVersionKind
	for gvk, t := range scheme.AllKnownTypes() {
		_, inProtobuf := reflect.New(t).Interface().(interface{ Marshal() ([]byte, error) })
		shared := t.PkgPath() == metaPackage && gvk.GroupVersion() != meta && gvk.GroupVersion() != metav1.Unversioned
		// A watch event's object is decoded by another layer.
		skipped := t.Name() == "WatchEvent" || t.Name() == "InternalEvent" || strings.HasSuffix(t.PkgPath(), "/meta/v1beta1")
		if inProtobuf && !shared && !skipped && gvk.Version != runtime.APIVersionInternal {
			kinds = append(kinds, gvk)
		}
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].String() < kinds[j].String() })
	f := &filler{random: rand.New(rand.NewSource(seed))}
	var out bytes.Buffer
	for range count {
		for _, gvk := range kinds {
			object, err := scheme.New(gvk)
			if err != nil {
				return nil, err
			}
			f.fill(reflect.ValueOf(object).Elem(), 0)
			object.GetObjectKind().SetGroupVersionKind(gvk)
			var wire bytes.Buffer
			if err := codec.Encode(object, &wire); err != nil {
				return nil, fmt.Errorf("%s: %w", gvk, err)
			}
			// What protobuf does not tell apart (empty and absent) is left to it; what JSON does not (null), likewise.
			first, err := recode(codec, codec, wire.Bytes(), gvk)
			if err != nil {
				return nil, err
			}
			second, err := recode(text, codec, first.text, gvk)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", gvk.Group, gvk.Version, gvk.Kind, base64.StdEncoding.EncodeToString(first.wire),
				first.text, base64.StdEncoding.EncodeToString(second.wire), second.text)
		}
	}
	return out.Bytes(), nil
}

type encoded struct{ wire, text []byte }

// recode reads an object and writes it in both media types.
func recode(from runtime.Decoder, to runtime.Encoder, body []byte, gvk schema.GroupVersionKind) (*encoded, error) {
	object, _, err := from.Decode(body, &gvk, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", gvk, err)
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	var wire bytes.Buffer
	if err := to.Encode(object, &wire); err != nil {
		return nil, fmt.Errorf("%s: %w", gvk, err)
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", gvk, err)
	}
	return &encoded{wire.Bytes(), text}, nil
}

type filler struct{ random *rand.Rand }

func pick[T any](f *filler, values ...T) T { return values[f.random.Intn(len(values))] }

// deep objects are cut here: schemas of custom resources hold themselves.
const deepest = 9

func (f *filler) fill(v reflect.Value, depth int) {
	switch value := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*value = resource.MustParse(pick(f, "0", "1", "100m", "1500m", "1.5", "64Mi", "1Gi", "1e3", "12E", "-3", "0.5Ki", "123456789012345678901", "1n"))
		return
	case *intstr.IntOrString:
		*value = pick(f, intstr.FromInt32(0), intstr.FromInt32(80), intstr.FromInt32(-1), intstr.FromString("25%"), intstr.FromString(""), intstr.FromString("80"))
		return
	case *metav1.Time:
		*value = pick(f, metav1.Time{}, metav1.Unix(0, 0), metav1.Unix(f.random.Int63n(4e9), 0))
		return
	case *metav1.MicroTime:
		*value = pick(f, metav1.MicroTime{}, metav1.NewMicroTime(time.UnixMicro(f.random.Int63n(4e15)).UTC()))
		return
	case *metav1.Duration:
		value.Duration = pick(f, 0, time.Second, 90*time.Minute, -3*time.Millisecond, time.Duration(f.random.Int63()))
		return
	case *metav1.FieldsV1:
		value.Raw = []byte(pick(f, `{}`, `{"f:spec":{"f:x":{},".":{}}}`))
		return
	case *runtime.RawExtension:
		value.Raw = []byte(pick(f, `{}`, `{"kind":"X","apiVersion":"y/v1","a":[1,2.50,null,"é"]}`))
		return
	case *apiextensionsv1.JSON:
		value.Raw = []byte(pick(f, `{"b":1,"a":[true]}`, `"text"`, `1`, `null`))
		return
	case *apiextensionsv1beta1.JSON:
		value.Raw = []byte(pick(f, `{"b":1,"a":[true]}`, `"text"`, `1`, `null`))
		return
	case *apiextensionsv1.JSONSchemaPropsOrBool:
		value.Allows = f.random.Intn(2) == 0
		if depth < deepest && f.random.Intn(2) == 0 {
			value.Allows, value.Schema = true, &apiextensionsv1.JSONSchemaProps{Type: "string"}
		}
		return
	case *apiextensionsv1beta1.JSONSchemaPropsOrBool:
		value.Allows = f.random.Intn(2) == 0
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(pick(f, "", "a", "some-name", "with space", "<&>", "quote\" \\ \t\n", "ünïcödé \u2028 🦀", strings.Repeat("x", 200)))
	case reflect.Bool:
		v.SetBool(f.random.Intn(2) == 0)
	case reflect.Int32:
		v.SetInt(int64(pick(f, 0, 1, -1, 127, 128, 1<<31-1, -1<<31)))
	case reflect.Int64:
		v.SetInt(pick[int64](f, 0, 1, -1, 30, 1<<40, -1<<63, 1<<63-1))
	case reflect.Float64:
		v.SetFloat(pick(f, 0, 1, -0.5, 1e21, 1e-7, 123456.789))
	case reflect.Pointer:
		if depth < deepest && f.random.Intn(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		f.fillSlice(v, depth)
	case reflect.Map:
		if depth < deepest && f.random.Intn(2) == 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range f.random.Intn(3) {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				f.fill(key, depth+1)
				f.fill(value, depth+1)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i), depth+1)
			}
		}
	}
}

func (f *filler) fillSlice(v reflect.Value, depth int) {
	if depth >= deepest || f.random.Intn(2) == 0 {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(pick(f, []byte{}, []byte("text"), []byte{0, 255, 128}))
		return
	}
	n := f.random.Intn(3)
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		f.fill(v.Index(i), depth+1)
	}
}
