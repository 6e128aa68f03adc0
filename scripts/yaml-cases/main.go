// Command yaml-cases writes down what sigs.k8s.io/yaml makes of the YAML cases, so that Headstay's
// reader can be held against it. Run it in its folder with `go run .` after a change of the cases.
//
// cases.txt holds cases of the form
//
//	=== name
//	the YAML, to the next line that begins with ===
//
// in which `␉` stands for a tab, `␍` for a carriage return, `␠` for a space at the end of a line and
// `␀` for "no line break here" at the end of the case. expected.txt has one line per case: the name,
// a tab, and the JSON or the word error.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

const folder = "../../tests/fixtures/yaml/"

var marks = strings.NewReplacer("␉", "\t", "␍", "\r", "␠", " ", "␀\n", "")

func main() {
	cases, err := os.ReadFile(folder + "cases.txt")
	if err != nil {
		log.Fatal(err)
	}
	var expected strings.Builder
	for _, text := range strings.Split("\n"+string(cases), "\n=== ")[1:] {
		name, input, _ := strings.Cut(text, "\n")
		fmt.Fprintf(&expected, "%s\t%s\n", name, answer(marks.Replace(input+"\n")))
	}
	if err := os.WriteFile(folder+"expected.txt", []byte(expected.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}

// answer is the JSON of a document, or "error".
func answer(input string) (result string) {
	defer func() {
		if recover() != nil {
			result = "error"
		}
	}()
	json, err := yaml.YAMLToJSONStrict([]byte(input))
	if err != nil {
		return "error"
	}
	return string(json)
}
