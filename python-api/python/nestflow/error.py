"""The exceptions under the module name that Bigflow programs import."""

from __future__ import annotations

from .errors import (
    BigflowHDFSException,
    BigflowPlanningException,
    BigflowRPCException,
    BigflowRuntimeException,
    Error,
    InvalidConfException,
    InvalidDataException,
    InvalidLogicalPlanException,
    InvalidSeqSerdeException,
    NestflowError,
    NestflowHDFSException,
    NestflowPlanningException,
    NestflowRPCException,
    NestflowRuntimeException,
)

__all__ = [
    "BigflowHDFSException",
    "BigflowPlanningException",
    "BigflowRPCException",
    "BigflowRuntimeException",
    "Error",
    "InvalidConfException",
    "InvalidDataException",
    "InvalidLogicalPlanException",
    "InvalidSeqSerdeException",
    "NestflowError",
    "NestflowHDFSException",
    "NestflowPlanningException",
    "NestflowRPCException",
    "NestflowRuntimeException",
]
