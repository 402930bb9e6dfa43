"""Ridgeline from Python: a thin wrapper over the generated stubs.

    from client import Client
    for event in Client("127.0.0.1:50051").simulate("scenario.yaml"):
        if event.HasField("result"):
            print(event.result.report.title)

Needs python3-grpcio, python3-protobuf and, on the path, the stubs that the build writes to
service/proto/generated/python. Events are the messages of service/proto/ridgeline/v1/services.proto.
"""
import datetime

import grpc
from google.rpc import status_pb2
from ridgeline.v1 import services_pb2, services_pb2_grpc, types_pb2


class RidgelineError(Exception):
    """What the server said: a gRPC status and every problem with its place."""

    def __init__(self, code, message, diagnostics):
        super().__init__(message)
        self.code = code  # grpc.StatusCode
        self.diagnostics = diagnostics  # types_pb2.Diagnostic, in order


def diagnostics_of(error):
    """The Diagnostics in the details of a grpc.RpcError: google.rpc.Status, whose field 3 holds Any messages."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            found = []
            for detail in status_pb2.Status.FromString(value).details:
                diagnostic = types_pb2.Diagnostic()
                if detail.Unpack(diagnostic):
                    found.append(diagnostic)
            return found
    return []


def scenario(files, overrides=(), seed=None):
    """`files`: names of files, or (name, text) pairs, laid over each other from left to right."""
    message = types_pb2.Scenario(overrides=overrides)
    for file in [files] if isinstance(files, str) else files:
        if isinstance(file, str):
            with open(file, encoding="utf-8") as opened:
                file = (file, opened.read())
        message.documents.add(name=file[0], content=file[1])
    if seed is not None:
        message.seed = seed
    return message


class Client:
    """One connection; for any number of threads. Every method takes `timeout` in seconds."""

    def __init__(self, address, options=()):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1), *options])
        self.simulator = services_pb2_grpc.SimulatorStub(self.channel)
        self.planner = services_pb2_grpc.PlannerStub(self.channel)
        self.catalog = services_pb2_grpc.CatalogStub(self.channel)

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def validate(self, files, overrides=(), seed=None, timeout=None):
        request = services_pb2.ValidateRequest(scenario=scenario(files, overrides, seed))
        return _answer(self.simulator.Validate, request, timeout)

    def simulate(self, files, overrides=(), seed=None, timeout=None):
        request = services_pb2.SimulateRequest(scenario=scenario(files, overrides, seed))
        return Events(self.simulator.Simulate, request, timeout)

    def what_if(self, files, vary, one_at_a_time=False, overrides=(), seed=None, timeout=None):
        request = services_pb2.WhatIfRequest(
            scenario=scenario(files, overrides, seed), vary=vary, one_at_a_time=one_at_a_time
        )
        return Events(self.simulator.WhatIf, request, timeout)

    def plan(self, files, targets=(), minimize=None, keep=0, budget=None, overrides=(), seed=None, timeout=None):
        """`budget`: seconds of search, after which the best so far is the answer; `timeout` is an error."""
        request = services_pb2.PlanRequest(
            scenario=scenario(files, overrides, seed), targets=targets, minimize=minimize, keep=keep
        )
        if budget is not None:
            request.budget.FromTimedelta(datetime.timedelta(seconds=budget))
        return Events(self.planner.Plan, request, timeout)

    def list(self, kind, page_size=0, timeout=None):
        """All entries of a kind, however many pages they take."""
        token = ""
        while True:
            request = services_pb2.ListRequest(kind=kind, page_size=page_size, page_token=token)
            page = _answer(self.catalog.List, request, timeout)
            yield from page.entries
            token = page.next_page_token
            if not token:
                return

    def get(self, kind, name, timeout=None):
        return _answer(self.catalog.Get, services_pb2.GetRequest(kind=kind, name=name), timeout)


def _failure(error, diagnostics=None):
    return RidgelineError(error.code(), error.details(), diagnostics or diagnostics_of(error))


def _answer(method, request, timeout):
    try:
        return method(request, timeout=timeout)
    except grpc.RpcError as error:
        raise _failure(error) from None


class Events:
    """An iterator over a stream's events, which can be cancelled."""

    def __init__(self, method, request, timeout):
        self.call = method(request, timeout=timeout)
        self.whole = None  # every problem, where the status had no room for them

    def __iter__(self):
        return self

    def __next__(self):
        try:
            event = next(self.call)
        except grpc.RpcError as error:
            raise _failure(error, self.whole) from None
        if event.HasField("diagnostic"):
            self.whole = [event.diagnostic, *event.diagnostic.others]
        return event

    def cancel(self):
        self.call.cancel()
