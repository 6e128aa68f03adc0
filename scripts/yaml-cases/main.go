// Command yaml-cases tells what sigs.k8s.io/yaml makes of YAML, so that Headstay's reader can be held
// against it.
//
// Without an argument, in its folder with `go run .` after a change of the cases, it writes down the
// answers to cases.txt, which holds cases of the form
//
//	=== name
//	the YAML, to the next line that begins with ===
//
// in which `␉` stands for a tab, `␍` for a carriage return, `␠` for a space at the end of a line and
// `␀` for "no line break here" at the end of the case. expected.txt has one line per case: the name,
// a tab, and the JSON or the word error.
//
// With the argument `answer` it reads documents, each as a JSON text on a line of its own, and answers
// each with a line: what the library makes of it when no key may stand twice, a tab, and what it makes
// of it otherwise.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

const folder = "../../tests/fixtures/yaml/"

var marks = strings.NewReplacer("␉", "\t", "␍", "\r", "␠", " ", "␀\n", "")

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "answer" {
		err = answerAll(os.Stdin, os.Stdout)
	} else {
		err = writeCases()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func writeCases() error {
	cases, err := os.ReadFile(folder + "cases.txt")
	if err != nil {
		return err
	}
	var expected strings.Builder
	for _, text := range strings.Split("\n"+string(cases), "\n=== ")[1:] {
		name, input, _ := strings.Cut(text, "\n")
		fmt.Fprintf(&expected, "%s\t%s\n", name, answer(marks.Replace(input+"\n"), yaml.YAMLToJSONStrict))
	}
	return os.WriteFile(folder+"expected.txt", []byte(expected.String()), 0o644)
}

func answerAll(from io.Reader, to io.Writer) error {
	documents := json.NewDecoder(from)
	answers := bufio.NewWriter(to)
	for {
		var document string
		if err := documents.Decode(&document); err == io.EOF {
			return answers.Flush()
		} else if err != nil {
			return err
		}
		fmt.Fprintf(answers, "%s\t%s\n", answer(document, yaml.YAMLToJSONStrict), answer(document, yaml.YAMLToJSON))
	}
}

// answer is the JSON of a document, or "error".
func answer(input string, read func([]byte) ([]byte, error)) (result string) {
	defer func() {
		if recover() != nil {
			result = "error"
		}
	}()
	json, err := read([]byte(input))
	if err != nil {
		return "error"
	}
	return string(json)
}
