"""The protos are the manual: every element is documented, reasons agree with the code."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from governd import errors
from governd._proto.governd.v1 import error_reason_pb2
from governd.delegation import evidence_faults

PROTOS = Path(__file__).parents[2] / "protos"
PREFIX = "ERROR_REASON_"
NOT_ON_THE_WIRE = {"UNSPECIFIED"}
ONLY_AT_START = {
    "CONFIG_INVALID",
    "LISTENER_REFUSED",
    "STATE_LOCKED",
    "LOG_UNAVAILABLE",
    "REGISTRATIONS_UNAVAILABLE",
}
"""Reasons of errors that end governd before anyone can ask it."""

FileSet = descriptor_pb2.FileDescriptorSet
Element = tuple[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[descriptor_pb2.FileDescriptorProto]:
    """Our protos as protoc sees them, with their comments."""
    out = tmp_path_factory.mktemp("protos") / "all.binpb"
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("**/*.proto"))
    google = Path(str(resources.files("google") / "rpc")).parent.parent
    include = resources.files("grpc_tools") / "_proto"
    paths = (f"-I{PROTOS}", f"-I{include}", f"-I{google}")
    command = (sys.executable, "-m", "grpc_tools.protoc", *paths, f"--descriptor_set_out={out}")
    subprocess.run([*command, "--include_source_info", *sources], check=True)
    return FileSet.FromString(out.read_bytes()).file


def elements(file: descriptor_pb2.FileDescriptorProto) -> Iterator[Element]:
    """Every element with its path in the descriptor (descriptor.proto, SourceCodeInfo)."""
    for index, message in enumerate(file.message_type):
        yield from of_message(message, file.package, (4, index))
    for index, enum in enumerate(file.enum_type):
        yield from of_enum(enum, file.package, (5, index))
    for index, service in enumerate(file.service):
        yield f"{file.package}.{service.name}", (6, index)
        for inner, method in enumerate(service.method):
            yield f"{file.package}.{service.name}.{method.name}", (6, index, 2, inner)


def of_message(
    message: descriptor_pb2.DescriptorProto, scope: str, path: tuple[int, ...]
) -> Iterator[Element]:
    if message.options.map_entry:
        return  # made by protoc
    scope = f"{scope}.{message.name}"
    yield scope, path
    for index, field in enumerate(message.field):
        yield f"{scope}.{field.name}", (*path, 2, index)
    for index, oneof in enumerate(message.oneof_decl):
        if not oneof.name.startswith("_"):  # of an optional field, made by protoc
            yield f"{scope}.{oneof.name}", (*path, 8, index)
    for index, nested in enumerate(message.nested_type):
        yield from of_message(nested, scope, (*path, 3, index))
    for index, enum in enumerate(message.enum_type):
        yield from of_enum(enum, scope, (*path, 4, index))


def of_enum(
    enum: descriptor_pb2.EnumDescriptorProto, scope: str, path: tuple[int, ...]
) -> Iterator[Element]:
    yield f"{scope}.{enum.name}", path
    for index, value in enumerate(enum.value):
        yield f"{scope}.{enum.name}.{value.name}", (*path, 2, index)


def test_every_element_has_a_comment_before_it(
    files: Sequence[descriptor_pb2.FileDescriptorProto],
) -> None:
    found, bare = 0, []
    for file in files:
        commented = {
            tuple(location.path)
            for location in file.source_code_info.location
            if location.leading_comments.strip()
        }
        for name, path in elements(file):
            found += 1
            if path not in commented:
                bare.append(name)
    assert found > 20
    assert not bare


def test_every_file_begins_with_a_comment() -> None:
    for path in PROTOS.glob("**/*.proto"):
        assert path.read_text(encoding="utf-8").startswith("// "), path.name


def test_every_enum_has_a_zero_that_says_nothing(
    files: Sequence[descriptor_pb2.FileDescriptorProto],
) -> None:
    for file in files:
        for enum in file.enum_type:
            assert enum.value[0].name.endswith("_UNSPECIFIED"), enum.name


def test_every_rpc_has_messages_of_its_own(
    files: Sequence[descriptor_pb2.FileDescriptorProto],
) -> None:
    for file in files:
        for service in file.service:
            for method in service.method:
                assert method.input_type.endswith(f".{method.name}Request")
                assert method.output_type.endswith(f".{method.name}Response")


def reasons_of_errors() -> set[str]:
    members = [*vars(errors).values(), *vars(evidence_faults).values()]
    classes = [kind for kind in members if isinstance(kind, type)]
    return {kind.reason for kind in classes if issubclass(kind, errors.GoverndError)}


def names_of_reasons() -> list[str]:
    return [value.name for value in error_reason_pb2.ErrorReason.DESCRIPTOR.values]


def test_the_reasons_of_errors_and_of_the_proto_are_the_same() -> None:
    documented = {name.removeprefix(PREFIX) for name in names_of_reasons()} - NOT_ON_THE_WIRE
    assert reasons_of_errors() - ONLY_AT_START == documented - ONLY_AT_START


def test_every_reason_carries_its_enums_prefix() -> None:
    assert all(value.startswith(PREFIX) for value in names_of_reasons())
