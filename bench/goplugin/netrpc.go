package main

import (
	"net/rpc"

	"github.com/hashicorp/go-plugin"
)

// Record has the fields and sizes of the record that the other contenders send. It
// is exported since net/rpc asks that of arguments.
type Record struct {
	ID   int64
	Name string
	Tags []string
	Body []byte
}

// body is shared by all records: making it is not what is measured.
var body = make([]byte, 928)

func newRecord(i int64) *Record {
	return &Record{ID: i, Name: "a name of 24 characters.", Tags: []string{"red tag.", "blue tag", "last tag"}, Body: body}
}

type netrpcPlugin struct{}

func (netrpcPlugin) Server(*plugin.MuxBroker) (any, error) { return &netrpcServer{}, nil }

func (netrpcPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) {
	return &netrpcClient{c}, nil
}

// netrpcServer answers in the plugin; net/rpc finds its methods by their shape.
type netrpcServer struct{}

// AddOne is the no-op.
func (*netrpcServer) AddOne(x int64, out *int64) error {
	*out = x + 1
	return nil
}

// RecordID returns the id of the record.
func (*netrpcServer) RecordID(r *Record, out *int64) error {
	*out = r.ID
	return nil
}

type netrpcClient struct{ c *rpc.Client }

func (n *netrpcClient) AddOne(x int64) (out int64, err error) {
	err = n.c.Call("Plugin.AddOne", x, &out)
	return out, err
}

func (n *netrpcClient) RecordID(r *Record) (out int64, err error) {
	err = n.c.Call("Plugin.RecordID", r, &out)
	return out, err
}
