// Command builtin-types writes src/sandbox/merge/builtin.txt: the type of every field of the kinds
// that a Kubernetes API server has built in. Run it in its folder with `go run .` when the version
// of Kubernetes changes.
//
// How lists and maps merge is taken from the schemas that the official clients carry; what a field
// becomes when it is empty or missing, from the tags of the Go structs. The head of the file says how
// to read it.
package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"

	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	openapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	registration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/schemaconv"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

const target = "../../src/sandbox/merge/builtin.txt"

const head = `# The types of the kinds built into Kubernetes 1.36.3; scripts/builtin-types writes it.
#
# "kind <apiVersion> <kind> <type>" says of what type a kind is. "type <name>" begins a struct, "type! <name>"
# one that is replaced as a whole; a line for each of its fields follows, as "<field> <type><when empty>".
#   s n b u q  text, number, boolean, any of them, a quantity
#   a d        anything, replaced as a whole; anything, maps being merged
#   [T]        a list that is replaced as a whole; [=T] a set; [k,l:T] a list whose items are known by fields
#   {T}        a map; {!T} one that is replaced as a whole
#   @name      a struct
# When empty: ~ left out; + written even when missing. =x: what a missing field is taken for.
`

func main() {
	known := runtime.NewScheme()
	must(scheme.AddToScheme(known))
	must(extensions.AddToScheme(known))
	must(registration.AddToScheme(known))

	types := map[string]schema.TypeDef{}
	for _, file := range []string{"k8s.io/client-go/applyconfigurations", "k8s.io/kube-aggregator/pkg/client/applyconfiguration"} {
		for _, def := range clientTypes(file) {
			types[def.Name] = def
		}
	}
	for _, def := range extensionTypes() {
		if _, there := types[def.Name]; !there {
			types[def.Name] = def
		}
	}

	w := writer{types: types, structs: map[string]reflect.Type{}, done: map[string]string{}}
	var kinds []string
	for gvk, goType := range known.AllKnownTypes() {
		_, isObject := goType.FieldByName("ObjectMeta")
		name := nameOf(goType)
		_, typed := types[name]
		if !isObject || !typed || strings.Contains(gvk.Version, "alpha") || strings.Contains(gvk.Version, "beta") {
			continue
		}
		kinds = append(kinds, fmt.Sprintf("kind %s %s %s\n", gvk.GroupVersion(), gvk.Kind, short(name)))
		w.learn(goType)
		w.write(name)
	}
	slices.Sort(kinds)
	blocks := make([]string, 0, len(w.done))
	for _, block := range w.done {
		blocks = append(blocks, block)
	}
	slices.SortFunc(blocks, func(a, b string) int { return strings.Compare(titleOf(a), titleOf(b)) })
	must(os.WriteFile(target, []byte(head+strings.Join(kinds, "")+strings.Join(blocks, "")), 0o644))
}

func titleOf(block string) string {
	title, _, _ := strings.Cut(block, "\n")
	_, name, _ := strings.Cut(title, " ")
	return name
}

// clientTypes reads the schema that a generated client has as a text in a package of its own.
func clientTypes(pkg string) []schema.TypeDef {
	folder, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg+"/internal").Output()
	must(err)
	source, err := os.ReadFile(strings.TrimSpace(string(folder)) + "/internal.go")
	must(err)
	_, text, _ := strings.Cut(string(source), "typed.YAMLObject(`")
	text, _, _ = strings.Cut(text, "`)")
	parser, err := typed.NewParser(typed.YAMLObject(text))
	must(err)
	return parser.Schema.Types
}

// extensionTypes are those of CustomResourceDefinition, which no generated client has as a schema.
func extensionTypes() []schema.TypeDef {
	models := map[string]*spec.Schema{}
	ref := func(path string) spec.Ref { return spec.MustCreateRef("#/definitions/" + modelName(path)) }
	for path, definition := range openapi.GetOpenAPIDefinitions(common.ReferenceCallback(ref)) {
		model := definition.Schema
		models[modelName(path)] = &model
	}
	result, err := schemaconv.ToSchemaFromOpenAPI(models, false)
	must(err)
	return result.Types
}

func modelName(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "k8s.io/", "io.k8s."), "/", ".")
}

func nameOf(t reflect.Type) string { return modelName(t.PkgPath() + "." + t.Name()) }

func short(name string) string {
	for _, prefix := range []string{"io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apimachinery.pkg.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis."} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}

type writer struct {
	types   map[string]schema.TypeDef
	structs map[string]reflect.Type
	done    map[string]string
}

// learn notes the Go struct of every type that can be reached from one.
func (w *writer) learn(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || w.structs[nameOf(t)] != nil {
		return
	}
	w.structs[nameOf(t)] = t
	for i := range t.NumField() {
		w.learn(t.Field(i).Type)
	}
}

func (w *writer) write(name string) {
	if _, done := w.done[name]; done {
		return
	}
	def := w.types[name]
	if def.Map == nil || len(def.Map.Fields) == 0 {
		return
	}
	mark := ""
	if def.Map.ElementRelationship == schema.Atomic {
		mark = "!"
	}
	w.done[name] = ""
	var block strings.Builder
	fmt.Fprintf(&block, "type%s %s\n", mark, short(name))
	tags := map[string]string{}
	if t := w.structs[name]; t != nil {
		collect(t, tags)
	}
	fields := slices.Clone(def.Map.Fields)
	slices.SortFunc(fields, func(a, b schema.StructField) int { return strings.Compare(a.Name, b.Name) })
	for _, field := range fields {
		fmt.Fprintf(&block, "%s %s%s", field.Name, w.typeOf(field.Type), tags[field.Name])
		if text, ok := field.Default.(string); ok && text != "" {
			fmt.Fprintf(&block, "=%s", text)
		}
		block.WriteString("\n")
	}
	w.done[name] = block.String()
}

// collect notes for every JSON field of a struct what becomes of it when it is empty.
func collect(t reflect.Type, tags map[string]string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && field.Anonymous {
			collect(field.Type, tags)
			continue
		}
		tags[name] = whenEmpty(field.Type, options)
	}
}

func whenEmpty(t reflect.Type, options string) string {
	optional := strings.Contains(options, "omit")
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return ""
	case reflect.Struct:
		marshals := reflect.TypeFor[json.Marshaler]()
		text := reflect.TypeFor[encoding.TextMarshaler]()
		if slices.Contains([]string{"Time", "MicroTime"}, t.Name()) && !strings.Contains(options, "omitzero") {
			return "+" // null
		}
		own := reflect.PointerTo(t).Implements(marshals) || reflect.PointerTo(t).Implements(text)
		if own || strings.Contains(options, "omitzero") {
			return ""
		}
		return "+"
	default:
		if optional {
			return "~"
		}
		return "+"
	}
}

func (w *writer) typeOf(ref schema.TypeRef) string {
	atom := ref.Inlined
	relationship := schema.ElementRelationship("")
	if ref.ElementRelationship != nil {
		relationship = *ref.ElementRelationship
	}
	if ref.NamedType != nil {
		switch name := *ref.NamedType; name {
		case "__untyped_atomic_":
			return "a"
		case "__untyped_deduced_":
			return "d"
		case "io.k8s.apimachinery.pkg.api.resource.Quantity":
			return "q"
		default:
			def := w.types[name]
			if def.Map != nil && len(def.Map.Fields) > 0 {
				w.write(name)
				if relationship == schema.Atomic && def.Map.ElementRelationship != schema.Atomic {
					return "@!" + short(name)
				}
				return "@" + short(name)
			}
			atom = def.Atom
		}
	}
	switch {
	case atom.Scalar != nil && atom.List != nil:
		if atom.Map != nil && atom.Map.ElementRelationship == schema.Atomic {
			return "a"
		}
		return "d"
	case atom.List != nil:
		items := w.typeOf(atom.List.ElementType)
		if atom.List.ElementRelationship != schema.Associative {
			return "[" + items + "]"
		}
		if len(atom.List.Keys) == 0 {
			return "[=" + items + "]"
		}
		return "[" + strings.Join(atom.List.Keys, ",") + ":" + items + "]"
	case atom.Map != nil:
		if len(atom.Map.Fields) > 0 {
			log.Fatalf("an inlined struct: %v", atom.Map)
		}
		mark := ""
		if atom.Map.ElementRelationship == schema.Atomic || relationship == schema.Atomic {
			mark = "!"
		}
		return "{" + mark + w.typeOf(atom.Map.ElementType) + "}"
	case atom.Scalar != nil:
		return map[schema.Scalar]string{schema.String: "s", schema.Numeric: "n", schema.Boolean: "b", schema.Untyped: "u"}[*atom.Scalar]
	}
	return "d"
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
