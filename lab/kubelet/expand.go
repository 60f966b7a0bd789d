package kubelet

import "strings"

// expand puts variables ("NAME=value", the last of a name counts) in the place of
// $(NAME) in text. One that is unknown stays as it is written, and $$ is a $: so
// $$(NAME) is the text $(NAME). These are the rules of Kubernetes for a container's
// command, arguments and variables
// (k8s.io/kubernetes/third_party/forked/golang/expansion).
func expand(text string, variables []string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if rest, escaped := strings.CutPrefix(after, "$"); escaped {
			out.WriteByte('$')
			text = rest
			continue
		}
		text = after
		reference, isReference := strings.CutPrefix(after, "(")
		name, rest, closed := strings.Cut(reference, ")")
		if value, known := valueOf(name, variables); isReference && closed {
			if !known {
				value = "$(" + name + ")"
			}
			out.WriteString(value)
			text = rest
			continue
		}
		out.WriteByte('$')
	}
}

func valueOf(name string, variables []string) (value string, known bool) {
	for _, v := range variables {
		if n, text, _ := strings.Cut(v, "="); n == name {
			value, known = text, true
		}
	}
	return value, known
}
