"""For tests of pipelines: `magic` has assertions that run with a pipeline, `test_base` a test case."""
