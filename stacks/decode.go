package stacks

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// decode puts a JSON value into a field. Unlike encoding/json it goes on after
// a mistake, so that all of them are reported, each with its path.
func decode(into reflect.Value, value any, path string, found *problems) {
	wrong := func(want string) {
		found.add(path, "is %s; it must be %s", describe(value), want)
	}
	switch into.Kind() {
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			wrong("an object with the keys " + strings.Join(keysOf(into.Type()), ", "))
			return
		}
		decodeObject(into, object, path, found)
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			wrong("a list")
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, item := range list {
			decode(into.Index(i), item, fmt.Sprintf("%s[%d]", path, i), found)
		}
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			wrong("an object whose values are strings")
			return
		}
		into.Set(reflect.MakeMap(into.Type()))
		for key, item := range object {
			text := reflect.New(into.Type().Elem()).Elem()
			decode(text, item, path+"."+key, found)
			into.SetMapIndex(reflect.ValueOf(key), text)
		}
	case reflect.String:
		text, ok := value.(string)
		if !ok {
			wrong("a string; put it in quotes")
			return
		}
		into.SetString(text)
	case reflect.Int:
		number, ok := value.(json.Number)
		n, err := strconv.Atoi(string(number))
		if !ok || err != nil || n < 1 {
			wrong("a whole number, 1 or more")
			return
		}
		into.SetInt(int64(n))
	default:
		panic(fmt.Sprintf("config field %s is of a kind that has no rule: %s", path, into.Kind()))
	}
}

func decodeObject(into reflect.Value, object map[string]any, path string, found *problems) {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		at := strings.TrimPrefix(path+"."+key, ".")
		field, ok := fieldOf(into.Type(), key)
		if !ok {
			found.add(at, "unknown key; %s", suggest(key, keysOf(into.Type())))
			continue
		}
		decode(into.FieldByIndex(field.Index), object[key], at, found)
	}
}

// describe names what stands in the config, without quoting long text.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "empty"
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case json.Number:
		return "the number " + v.String()
	case string:
		if len(v) > 40 {
			v = v[:40] + "…"
		}
		return fmt.Sprintf("the string %q", v)
	case []any:
		return "a list"
	}
	return "an object"
}

// suggest says which key was meant, if one is near, or which there are.
func suggest(key string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(strings.ToLower(key), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "there are " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = slices.Min([]int{row[j] + 1, row[j+1] + 1, cost})
		}
	}
	return row[len(b)]
}
