"""The exceptions that nestflow raises, by who must act.

An exception of a user's function is not here: it reaches the user as its own class.
"""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(://[^/@\s:]*):[^/@\s]+@")


def redacted(text: str) -> str:
    """Give a text without the passwords of its addresses.

    Example:
        >>> redacted("s3a://me:secret@bucket/in: no such file")
        's3a://me:***@bucket/in: no such file'
    """
    return _PASSWORD.sub(r"\1:***@", text)


class NestflowError(Exception):
    """Base of everything that nestflow itself raises.

    Example:
        >>> str(NestflowError("no such group"))
        'no such group'
    """

    def __init__(self, msg: str = "", internal: object = None) -> None:
        """Keep the text for the user, without passwords, and whatever lies behind it."""
        super().__init__(redacted(str(msg)))
        self.internal = internal


class NestflowRuntimeException(NestflowError):
    """A run failed, and not by an exception of the user's functions.

    Example:
        >>> import nestflow as nf
        >>> try:
        ...     p = nf.Pipeline.create("local")
        ...     p.read(nf.TextFile("/no/such/file")).get()
        ... except nf.errors.NestflowRuntimeException as error:
        ...     print("the run failed")
        the run failed
    """


class NestflowHDFSException(NestflowRuntimeException):
    """A Hadoop file system did not do what was asked.

    Example:
        >>> issubclass(NestflowHDFSException, NestflowRuntimeException)
        True
    """


class RunCancelledException(NestflowRuntimeException):
    """Another thread has called the pipeline's ``cancel``.

    Example:
        >>> issubclass(RunCancelledException, NestflowRuntimeException)
        True
    """


class InvalidDataException(NestflowRuntimeException):
    """Data do not have the form that was asked for.

    Example:
        >>> import nestflow as nf
        >>> try:
        ...     nf.Pipeline.create("local").parallelize([]).sum().get()
        ... except nf.errors.InvalidDataException as error:
        ...     print("no value")
        no value
    """


class InvalidConfException(NestflowRuntimeException):
    """A setting is missing or impossible.

    Example:
        >>> issubclass(InvalidConfException, NestflowRuntimeException)
        True
    """


class NestflowPlanningException(NestflowError):
    """A program that cannot be planned: scopes, tables as operands, functions that cannot be shipped.

    Example:
        >>> import nestflow as nf
        >>> try:
        ...     p = nf.Pipeline.create("local")
        ...     table = p.parallelize({"a": [1]})
        ...     table.apply_values(lambda v, other: v, table)
        ... except nf.errors.NestflowPlanningException as error:
        ...     print(type(error).__name__)
        NestflowPlanningException
    """


class NestflowRPCException(NestflowPlanningException):
    """A remote planner did not answer.

    Example:
        >>> issubclass(NestflowRPCException, NestflowPlanningException)
        True
    """


class InvalidLogicalPlanException(NestflowPlanningException):
    """A function holds a dataset of the pipeline; pass it as a side input instead.

    Example:
        >>> import nestflow as nf
        >>> try:
        ...     p = nf.Pipeline.create("local")
        ...     numbers = p.parallelize([1])
        ...     numbers.map(lambda x: numbers)
        ... except nf.errors.InvalidLogicalPlanException as error:
        ...     print(type(error).__name__)
        InvalidLogicalPlanException
    """


class InvalidSeqSerdeException(NestflowPlanningException):
    """A sequence file needs both a key serde and a value serde, or none.

    Example:
        >>> import nestflow as nf
        >>> try:
        ...     nf.input.SequenceFile("in", key_serde=nf.serde.StrSerde())
        ... except nf.errors.InvalidSeqSerdeException as error:
        ...     print(type(error).__name__)
        InvalidSeqSerdeException
    """


class NativeFunctionError(NestflowError, RuntimeError):
    """A function of a native library says that it failed, or gave what cannot be read.

    Example:
        >>> error = NativeFunctionError("no such item", "price_of", "libpricing.so", {"item": 7})
        >>> str(error), error.argument
        ('no such item, says price_of of libpricing.so', {'item': 7})
    """

    def __init__(self, msg: str = "", function: str = "", library: str = "", argument: object = None) -> None:
        """Keep what the library said, who said it, and what it was called with."""
        super().__init__(f"{msg}, says {function} of {library}" if function else msg)
        self.reason = msg
        self.function = function
        self.library = library
        self.argument = argument

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Travel with everything that is known."""
        return type(self), (self.reason, self.function, self.library, self.argument)


class RemoteTraceback(Exception):
    """The traceback of a user's function where it ran; the cause of the exception that is raised here."""

    def __init__(self, text: str) -> None:
        """Keep the text."""
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        """Give the text on lines of its own, as an ordinary traceback has it."""
        return f'\n"""\n{self.text.rstrip()}\n"""'


Error = NestflowError
BigflowHDFSException = NestflowHDFSException
BigflowRuntimeException = NestflowRuntimeException
BigflowPlanningException = NestflowPlanningException
BigflowRPCException = NestflowRPCException
