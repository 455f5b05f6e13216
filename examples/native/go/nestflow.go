package main

// The same library by nestflow_function.h, which Python needs to be told nothing about. The header itself is
// not needed: Go writes its own.

// #include <stdint.h>
import "C"

import "encoding/json"

// Envelope is what functions of the JSON form give.
type Envelope struct {
	Value json.RawMessage `json:"value"`
	Err   string          `json:"err,omitempty"`
}

func enveloped(value []byte, err error) *C.char {
	envelope := Envelope{Value: value}
	if err != nil {
		envelope = Envelope{Err: err.Error()}
	}
	text, _ := json.Marshal(envelope) // what can fail has been done
	return C.CString(string(text))
}

func described[In, Out any](doc string) *C.char {
	text, _ := json.Marshal(map[string]any{"doc": doc, "argument": SchemaOf[In](), "result": SchemaOf[Out]()})
	return C.CString(string(text))
}

//export nestflow_json_price_of
func nestflow_json_price_of(argument *C.char) *C.char {
	return enveloped(answered(argument, Priced))
}

//export nestflow_schema_price_of
func nestflow_schema_price_of() *C.char {
	return described[Order, Price]("The price of an order, and of each item in it.")
}

//export nestflow_free
func nestflow_free(text *C.char) {
	FreeText(text)
}

//export nestflow_function_version
func nestflow_function_version() C.uint32_t {
	return 1
}
