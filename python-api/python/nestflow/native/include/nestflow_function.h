/* nestflow_function.h: functions in a shared library that nestflow calls. Version 1.
 *
 * A library of this form exports `nestflow_function_version` and `nestflow_free`, and for each function
 * `f` one of `nestflow_json_f` and `nestflow_arrow_f`; Python finds it as `nf.native(path).f`.
 *
 * Promises of the library, whichever the form:
 * - Functions may be called from several threads at the same time.
 * - No exception, panic or longjmp leaves a function. What ends the process ends a worker process.
 * - Every text that a function gives (`char *`) is UTF-8, ends with a zero byte, and stays valid until the
 *   caller hands it to `nestflow_free`, which it does exactly once, on any thread.
 * - Arguments are the caller's: a function neither changes nor frees them, nor keeps them after it returns
 *   (but for batches that it moves out, see below).
 */
#ifndef NESTFLOW_FUNCTION_H
#define NESTFLOW_FUNCTION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NESTFLOW_FUNCTION_VERSION 1

#if defined(_WIN32)
#define NESTFLOW_EXPORT __declspec(dllexport)
#else
#define NESTFLOW_EXPORT __attribute__((visibility("default")))
#endif

/* The version of this header that the library was written for: NESTFLOW_FUNCTION_VERSION. */
NESTFLOW_EXPORT uint32_t nestflow_function_version(void);

/* Gives a text of this library back. */
NESTFLOW_EXPORT void nestflow_free(char *text);

/* The JSON form. Takes a JSON text; gives {"value": …} or {"value": null, "err": "what is wrong"}.
 * An "err" that is missing, null or empty is success. Exported as nestflow_json_NAME:
 *
 *     NESTFLOW_EXPORT char *NESTFLOW_JSON(price_of)(const char *argument) { … }
 */
typedef char *nestflow_json_function(const char *argument);
#define NESTFLOW_JSON(name) nestflow_json_##name

/* Optional, for a function of the JSON form: what it takes and gives. The text is a JSON object whose
 * members are all optional: {"argument": JSON Schema, "result": JSON Schema, "doc": "one line"}.
 * Exported as nestflow_schema_NAME.
 */
typedef char *nestflow_schema_function(void);
#define NESTFLOW_SCHEMA(name) nestflow_schema_##name

/* Optional, where the symbol table cannot be read: the names of all functions as a JSON list. Exported
 * as nestflow_functions.
 */
typedef char *nestflow_functions_function(void);

/* The Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html), as published. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

/* The Arrow batch form. Takes a batch (a struct array, one child for each column) or a single array, and
 * fills `result` and `result_schema`, which come zeroed, with one of as many rows as it likes; the caller
 * releases what it was given. Gives 0, or anything else for a failure: then `*err` may be set to a text for
 * `nestflow_free`, and `result` and `result_schema` are left alone or released.
 *
 * The argument is the caller's to release, unless the function moved it out as the C data interface
 * defines: copied the struct and set `release` of the original to NULL. Exported as nestflow_arrow_NAME.
 */
typedef int32_t nestflow_arrow_function(struct ArrowArray *argument, struct ArrowSchema *argument_schema,
                                        struct ArrowArray *result, struct ArrowSchema *result_schema,
                                        char **err);
#define NESTFLOW_ARROW(name) nestflow_arrow_##name

#ifdef __cplusplus
}
#endif

#endif /* NESTFLOW_FUNCTION_H */
