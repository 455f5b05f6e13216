// A service's pricing logic, called from Python as it is: structs with JSON tags in, JSON out.
//
//	go build -buildmode=c-shared -o libpricing.so .
//
// Two ways in. PriceOf and the Get…Schema functions are such a library as many have today: a struct of
// value and error by value, and no header of nestflow. The functions in nestflow.go are of the form of
// nestflow_function.h, over the same logic.
package main

/*
#include <stdlib.h>

struct Answer {
  char *value;
  char *err;
};
*/
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// Item is one thing that is for sale.
type Item struct {
	Price    float64 `json:"price"`
	Quantity uint8   `json:"quantity"`
	Note     string  `json:"note,omitempty"`
}

// Order is what is to be priced. An item that is null is not there any more.
type Order struct {
	Customer  string          `json:"customer"`
	Items     map[int64]*Item `json:"items"`
	Discounts map[int]float64 `json:"discounts,omitempty"`
	Tags      []string        `json:"tags,omitempty"`
}

// Line is the price of one item.
type Line struct {
	Total    float64 `json:"total"`
	Discount float64 `json:"discount,omitempty"`
}

// Price is the price of an order.
type Price struct {
	Customer string          `json:"customer"`
	Total    float64         `json:"total"`
	Lines    map[int64]*Line `json:"lines"`
	Missing  []int64         `json:"missing,omitempty"`
}

// Priced is the service's logic.
func Priced(order Order) (*Price, error) {
	if order.Customer == "" {
		return nil, errors.New("an order needs a customer")
	}
	price := Price{Customer: order.Customer, Lines: map[int64]*Line{}}
	for number, item := range order.Items {
		if item == nil {
			price.Lines[number] = nil
			price.Missing = append(price.Missing, number)
			continue
		}
		if item.Price < 0 {
			return nil, fmt.Errorf("item %d has the price %g", number, item.Price)
		}
		line := Line{Total: item.Price * float64(item.Quantity), Discount: order.Discounts[int(number)]}
		line.Total -= line.Discount
		price.Lines[number] = &line
		price.Total += line.Total
	}
	return &price, nil
}

// answered calls a function of Go structs with JSON, and keeps its panics inside.
func answered[In, Out any](argument *C.char, function func(In) (Out, error)) (value []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	var in In
	if err := json.Unmarshal([]byte(C.GoString(argument)), &in); err != nil {
		return nil, err
	}
	out, err := function(in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

func answer(value []byte, err error) C.struct_Answer {
	if err != nil {
		return C.struct_Answer{err: C.CString(err.Error())}
	}
	return C.struct_Answer{value: C.CString(string(value))}
}

//export PriceOf
func PriceOf(argument *C.char) C.struct_Answer {
	return answer(answered(argument, Priced))
}

//export GetPriceOfInputSchema
func GetPriceOfInputSchema() C.struct_Answer {
	return answer(json.Marshal(SchemaOf[Order]()))
}

//export GetPriceOfOutputSchema
func GetPriceOfOutputSchema() C.struct_Answer {
	return answer(json.Marshal(SchemaOf[Price]()))
}

// Sleep waits for some seconds: for tests of what happens meanwhile.
//
//export Sleep
func Sleep(argument *C.char) C.struct_Answer {
	return answer(answered(argument, func(seconds float64) (float64, error) {
		time.Sleep(time.Duration(seconds * float64(time.Second)))
		return seconds, nil
	}))
}

// Panic fails inside of Go: a null pointer is followed, which Go's runtime learns from a signal.
//
//export Panic
func Panic(argument *C.char) C.struct_Answer {
	return answer(answered(argument, func(order *Order) (string, error) {
		return order.Customer, nil
	}))
}

//export FreeText
func FreeText(text *C.char) {
	C.free(unsafe.Pointer(text))
}

func main() {}
