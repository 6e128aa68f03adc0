// Command promql reads rules and expressions with Prometheus's own parser, so that Headstay's alerts
// and its dashboard can be held against its metrics.
//
// Its arguments are files of rules, which must be valid, their templates included. Each line of its
// input is an expression; for each it writes a line of JSON: what the expression selects, and the
// labels that it groups by.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

type expression struct {
	Selectors []selector `json:"selectors"`
	Labels    []string   `json:"labels"`
}

type selector struct {
	Metric   string    `json:"metric"`
	Matchers []matcher `json:"matchers"`
}

type matcher struct {
	Label string `json:"label"`
	// As a regular expression that is anchored at both ends.
	Pattern string `json:"pattern"`
}

func main() {
	log.SetFlags(0)
	for _, file := range os.Args[1:] {
		if _, errs := rulefmt.ParseFile(file, false, model.LegacyValidation); len(errs) > 0 {
			log.Fatalf("%s: %v", file, errs)
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(read(lines.Text())); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func read(text string) expression {
	root, err := parser.ParseExpr(text)
	if err != nil {
		log.Fatalf("%s: %v", text, err)
	}
	found := expression{Selectors: []selector{}, Labels: []string{}}
	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			found.Selectors = append(found.Selectors, selected(node))
		case *parser.AggregateExpr:
			found.Labels = append(found.Labels, node.Grouping...)
		}
		return nil
	})
	return found
}

func selected(node *parser.VectorSelector) selector {
	selected := selector{Metric: node.Name, Matchers: []matcher{}}
	for _, by := range node.LabelMatchers {
		if by.Name == labels.MetricName {
			continue
		}
		if by.Type != labels.MatchEqual && by.Type != labels.MatchRegexp {
			log.Fatalf("%s: name what is meant, not what is not", by)
		}
		selected.Matchers = append(selected.Matchers, matcher{Label: by.Name, Pattern: by.Value})
	}
	return selected
}
