"""The names that programs written for Bigflow use: modules, members, and arguments by name."""

from __future__ import annotations

import importlib
import inspect

import pytest

import nestflow as nf
from nestflow import counter, error, lazy_var, output, schema, serde, udf
from nestflow import transforms as T
from nestflow.future import fields
from nestflow.input import SchemaTextFile, SequenceFile, TextFile, UserInputBase
from nestflow.util import broadcast, decorators, log, path_util, utils

MODULES = (
    "base transforms input output serde schema counter lazy_var error udf future.fields pcollection pobject "
    "ptable ptype transform_impls.sort transform_impls.group_by_every_record util.broadcast util.utils "
    "util.path_util util.decorators util.log test.magic test.test_base"
)

MEMBERS = {
    nf.PCollection: "accumulate aggregate apply as_pobject as_schema cache cartesian cogroup combine "
    "count diff distinct filter first flat_map foreach full_join get group_by group_by_key intersection "
    "is_empty join left_join map max max_elements min min_elements node pipeline reduce "
    "right_join serde sort sort_by subtract substract sum take transform union window_into select "
    "agg",
    nf.PObject: "map flat_map as_pcollection union cartesian not_ ceil floor round apply cache get pipeline "
    "node serde",
    nf.PTable: "apply_values apply_key_values extract_keys extract_values flatten_values flatten "
    "nested_level inner_most_type key_serdes node get apply cache pipeline serde",
    nf.Pipeline: "create read write parallelize get run async_run id config default_objector plan add_file "
    "add_directory add_egg_file add_archive set_init_hook set_fini_hook _set_before_run_hook "
    "_set_after_run_hook reset_counter reset_all_counters _force_delete_file _path_exists "
    "estimate_concurrency",
    nf.base: "Pipeline Options Transformer",
    nf.Transformer: "begin_process process end_process",
    T: "map flat_map filter foreach accumulate aggregate reduce combine count sum max min "
    "max_elements min_elements first take is_empty to_list_pobject to_pobject distinct union "
    "cartesian make_tuple subtract substract intersection diff sort sort_by group_by group_by_key "
    "cogroup window_into join left_join right_join full_join transform pipe extract_keys "
    "extract_values flatten flatten_values idl_to_str str_to_idl",
    nf.input: "TextFile SchemaTextFile SequenceFile TextFileStream SequenceFileStream UserInputBase "
    "user_define_format",
    UserInputBase: "split load post_process get_serde get_size",
    output: "TextFile SchemaTextFile SequenceFile UserOutputBase",
    output.TextFile: "partition sort sort_by with_compression",
    output.SchemaTextFile: "partition sort sort_by with_compression",
    output.SequenceFile: "partition sort sort_by as_type",
    output.UserOutputBase: "sink open close partition_fn partition_number pre_process get_commiter",
    schema: "of tuple_to_dict dict_to_tuple describe select update agg group_by flatten cogroup join "
    "left_join right_join full_join distinct",
    fields: "select agg group_by flatten of FieldsDictSerde get_serde_of_field get_serde_of_fields",
    counter: "increase _get _get_all _get_group_counter",
    lazy_var: "declare",
    serde: "Serde CppSerde DefaultSerde any _ CPickleSerde IntSerde int_ FloatSerde float_ BoolSerde "
    "bool_ StrSerde str_ TupleSerde tuple_of ListSerde list_of SetSerde set_of DictSerde dict_of "
    "Optional ProtobufSerde proto_of ChainSerde chain_of FastPbSerdeFactory IdlPacketSerde of "
    "sample common_serde extract_elem origin",
    error: "Error BigflowHDFSException BigflowRuntimeException InvalidDataException InvalidConfException "
    "BigflowPlanningException BigflowRPCException InvalidLogicalPlanException "
    "InvalidSeqSerdeException",
    udf: "map filter max_elements",
    broadcast: "is_same_working_scope working_scope broadcast_to",
    utils: "is_ptype is_infinite flatten_runtime_value detect_ptype construct",
    path_util: "to_abs_local_path is_hdfs_path rm_rf extract_namenode can_be_archive_path",
    decorators: "singleton advance_logger",
    log: "logger",
}


@pytest.mark.parametrize("name", MODULES.split())
def test_modules(name):
    import nestflow.compat.bigflow  # noqa: F401

    module = importlib.import_module(f"nestflow.{name}")
    assert importlib.import_module(f"bigflow.{name}") is module


@pytest.mark.parametrize("owner", MEMBERS, ids=lambda owner: owner.__name__)
def test_members(owner):
    assert [name for name in MEMBERS[owner].split() if not hasattr(owner, name)] == []


X, F = object(), len

CALLS = [
    (nf.Pipeline.create, ("local",), {"tmp_data_path": "x"}),
    (nf.Pipeline.parallelize, (X, [], X), {}),
    (nf.Pipeline.parallelize, (X, []), {"serde": X, "scale": 2.0}),
    (nf.Pipeline.add_file, (X, "a"), {"resource_path": "b", "executable": True, "from_bytes": False}),
    (nf.Pipeline.add_directory, (X, "a"), {"resource_path": "b", "is_only_python_files_accepted": True}),
    (nf.Pipeline.plan, (X, "cache"), {}),
    (nf.PCollection.cogroup, (X, X, X), {}),
    (nf.PCollection.sort, (X,), {"reverse": True}),
    (nf.PCollection.sort_by, (X,), {"key": F, "reverse": True}),
    (nf.PCollection.intersection, (X, X), {"output_duplicated": True}),
    (nf.PCollection.max, (X,), {"key": F}),
    (nf.PCollection.as_schema, (X,), {"fields": ["a"]}),
    (nf.PTable.apply_key_values, (X, F, X), {"ensure_keep_group": True}),
    (T.group_by, (X,), {"key_extractor": F, "value_extractor": F}),
    (T.combine, (X, F), {"pre_combine": False}),
    (T.max_elements, (X,), {"n": 2, "key": F}),
    (T.min_elements, (X, 2, F), {}),
    (T.max, (X,), {"key": F}),
    (T.min, (X, F), {}),
    (T.take, (X,), {"n": 2}),
    (T.intersection, (X, X), {"output_duplicated": True}),
    (T.transform, (X, F, F, F, X), {"serde": X, "status_serde": X}),
    (T.pipe, (X, "cat"), {"type": "bistreaming", "input_fields_num": 2, "output_fields_num": 2}),
    (T.window_into, (X, X), {}),
    (
        TextFile,
        ("a", "b"),
        {"combine_multi_file": False, "partitioned": True, "repeatedly": False, "ugi": "u"},
    ),
    (
        SchemaTextFile,
        ("a",),
        {"columns": 3, "separator": "|", "ignore_overflow": True, "ignore_illegal_line": True},
    ),
    (SequenceFile, ("a",), {"serde": X, "key_serde": X, "value_serde": X, "partitioned": True}),
    (
        output.TextFile,
        ("a",),
        {"overwrite": False, "async_mode": False, "record_delimiter": None, "ugi": "u"},
    ),
    (output.TextFile.partition, (X,), {"n": 3, "partition_fn": F}),
    (output.TextFile.sort, (X,), {"reverse": True}),
    (output.TextFile.sort_by, (X,), {"key_fn": F, "reverse": True}),
    (output.SchemaTextFile, ("a",), {"columns": ["a"], "separator": "|", "overwrite": False}),
    (output.SequenceFile, ("a", X, X, X), {"overwrite": False, "async_mode": True}),
    (schema.select, (X, F, X, X), {}),
    (schema.join, (X, X), {"fields": ["a"], "merge": True}),
    (schema.cogroup, (X, X), {"fields": ["a"]}),
    (schema.distinct, (X, ["a"]), {}),
    (fields.get_serde_of_field, (X, "a"), {"default": X}),
    (counter.increase, ("a",), {"increment": 2}),
    (counter._get, ("a",), {"group": "g"}),
    (counter._get_all, (), {"grouped": True}),
    (counter._get_group_counter, ("g", "h"), {}),
    (serde.ProtobufSerde, (dict,), {"raise_exception_when_failed": False}),
    (broadcast.broadcast_to, (X, 0), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS, ids=lambda x: getattr(x, "__qualname__", ""))
def test_arguments(function, args, kwargs):
    """By these positions and names."""
    inspect.signature(function).bind(*args, **kwargs)


def test_constants():
    explain = nf.base.Options.Explain
    assert (explain.DEFAULT, explain.ON, explain.OFF) == (0, 1, 2)
    assert counter.DEFAULT_GROUP == "Flume"
    assert TextFile is nf.TextFile is not output.TextFile
