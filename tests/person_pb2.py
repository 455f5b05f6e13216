"""A module such as `protoc` makes of a message: `Person`, with a name and ages.

The descriptor is written here in Python, so that nothing has to be generated; the rest is what generated
modules do, so that messages are pickled as theirs are.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.internal import builder

_FILE = descriptor_pb2.FileDescriptorProto(name="person.proto", package="nestflow.tests", syntax="proto3")
_MESSAGE = _FILE.message_type.add(name="Person")
_KINDS = descriptor_pb2.FieldDescriptorProto
_MESSAGE.field.add(name="name", number=1, type=_KINDS.TYPE_STRING, label=_KINDS.LABEL_OPTIONAL)
_MESSAGE.field.add(name="ages", number=2, type=_KINDS.TYPE_INT64, label=_KINDS.LABEL_REPEATED)

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(_FILE.SerializeToString())
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
