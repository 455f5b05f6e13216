package main

import (
	"reflect"
	"strings"
)

// Schema is a JSON Schema.
type Schema map[string]any

// SchemaOf describes a type by its fields and their tags, as encoding/json reads them.
func SchemaOf[T any]() Schema {
	return schemaOf(reflect.TypeFor[T]())
}

func schemaOf(t reflect.Type) Schema {
	switch t.Kind() {
	case reflect.Pointer:
		return Schema{"anyOf": []Schema{schemaOf(t.Elem()), {"type": "null"}}}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return Schema{"type": "number"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return Schema{"type": "string", "contentEncoding": "base64"}
		}
		return Schema{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return Schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
		}
		return Schema{
			"type":                 "object",
			"patternProperties":    Schema{"^-?[0-9]+$": schemaOf(t.Elem())},
			"additionalProperties": false,
		}
	case reflect.Struct:
		return structSchema(t)
	default: // whole numbers of every size
		return Schema{"type": "integer"}
	}
}

func structSchema(t reflect.Type) Schema {
	properties, required := Schema{}, []string{}
	for index := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(index).Tag.Get("json"), ",")
		properties[name] = schemaOf(t.Field(index).Type)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return Schema{
		"type":                 "object",
		"title":                t.Name(),
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
	}
}
