package main

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// addOneMethod is the full name of the one method. The service is described by
// hand over protobuf's own Int64Value, so that no generated code is needed.
const addOneMethod = "/bench.Adder/AddOne"

type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Adder",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "AddOne", Handler: answerAddOne}},
	}, struct{}{})
	return nil
}

func answerAddOne(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in wrapperspb.Int64Value
	if err := decode(&in); err != nil {
		return nil, err
	}
	return wrapperspb.Int64(in.Value + 1), nil
}

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return grpcClient{c}, nil
}

type grpcClient struct{ c *grpc.ClientConn }

func (g grpcClient) AddOne(x int64) (int64, error) {
	var out wrapperspb.Int64Value
	err := g.c.Invoke(context.Background(), addOneMethod, wrapperspb.Int64(x), &out)
	return out.Value, err
}
