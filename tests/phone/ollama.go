// Renders templates as Ollama does, with Go's own text/template: a JSON list in, a JSON list of texts out.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct{ Role, Content string }

type talk struct {
	Template, System string
	Messages         []message
}

func main() {
	var talks []talk
	if err := json.NewDecoder(os.Stdin).Decode(&talks); err != nil {
		panic(err)
	}
	texts := make([]string, len(talks))
	for at, one := range talks {
		var text strings.Builder
		if err := template.Must(template.New("").Parse(one.Template)).Execute(&text, one); err != nil {
			panic(err)
		}
		texts[at] = text.String()
	}
	if err := json.NewEncoder(os.Stdout).Encode(texts); err != nil {
		panic(err)
	}
}
