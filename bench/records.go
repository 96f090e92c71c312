package main

import (
	"context"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Record is the structure of 1 KiB that goes through the codec: text, a list and
// bytes, so that it is no plain type. The peers have the same fields and sizes.
type Record struct {
	ID   int64
	Name string
	Tags []string
	Body []byte
}

// body is shared by all records: making it is not what is measured.
var body = make([]byte, 928)

func newRecord(i int64) Record {
	return Record{ID: i, Name: "a name of 24 characters.", Tags: []string{"red tag.", "blue tag", "last tag"}, Body: body}
}

// codecAlone encodes and decodes n records in one goroutine, with the library that
// tutti's codec is made of, and hands them to nobody.
func codecAlone(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		if _, err := throughCodec(n / 10); err != nil {
			return figure{}, err
		}
		begin := time.Now()
		sum, err := throughCodec(n)
		if err != nil {
			return figure{}, err
		}
		o := outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: sum}
		return o.perSecond(), o.check(n, sumOfIDs(n))
	}
}

func throughCodec(n int64) (sum int64, err error) {
	for i := range n {
		data, err := cbor.Marshal(newRecord(i))
		if err != nil {
			return 0, err
		}
		var r Record
		if err := cbor.Unmarshal(data, &r); err != nil {
			return 0, err
		}
		sum += r.ID
	}
	return sum, nil
}
