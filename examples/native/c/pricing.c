/* A library with nestflow_function.h, in C: both forms, and what can go wrong.
 *
 *     cc -shared -fPIC -O2 -I"$(python -m nestflow.native include)" pricing.c -o libpricing.so
 *
 * C has no JSON: what is here takes and gives little of it. See ../go for a real program.
 */
#include <nestflow_function.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NESTFLOW_EXPORT uint32_t nestflow_function_version(void) { return NESTFLOW_FUNCTION_VERSION; }

NESTFLOW_EXPORT void nestflow_free(char *text) { free(text); }

static char *text(const char *form, const char *inside) {
  size_t length = strlen(form) + strlen(inside) + 1;
  char *made = malloc(length);
  snprintf(made, length, form, inside);
  return made;
}

/* What it is given. */
NESTFLOW_EXPORT char *NESTFLOW_JSON(echo)(const char *argument) { return text("{\"value\":%s}", argument); }

/* Fails, and says with what. */
NESTFLOW_EXPORT char *NESTFLOW_JSON(fail)(const char *argument) {
  (void)argument;
  return text("{\"value\": null, \"err\": \"%s\"}", "no such item");
}

/* {"base": 2.5, "quantity": 4} to the price of all, 10% off from three on; found by looking for the names. */
NESTFLOW_EXPORT char *NESTFLOW_JSON(price_of)(const char *argument) {
  const char *base = strstr(argument, "\"base\":"), *quantity = strstr(argument, "\"quantity\":");
  int count = quantity ? atoi(quantity + 11) : 1;
  double total = (base ? atof(base + 7) : 0) * count * (count >= 3 ? 0.9 : 1);
  char number[40];
  snprintf(number, sizeof number, "%.17g", total);
  return text("{\"value\": {\"total\": %s}, \"err\": \"\"}", number);
}

NESTFLOW_EXPORT char *NESTFLOW_SCHEMA(price_of)(void) {
  return text("{\"doc\": \"The price of some of an item.\", %s}",
              "\"argument\": {\"type\": \"object\", \"required\": [\"base\"], \"additionalProperties\": false,"
              " \"properties\": {\"base\": {\"type\": \"number\"}, \"quantity\": {\"type\": \"integer\"}}},"
              "\"result\": {\"type\": \"object\", \"required\": [\"total\"],"
              " \"properties\": {\"total\": {\"type\": \"number\"}}}");
}

/* Ends the process. */
NESTFLOW_EXPORT char *NESTFLOW_JSON(crash)(const char *argument) {
  if (!strcmp(argument, "13")) {
    *(volatile int *)0 = 1;
  }
  return text("{\"value\": %s}", argument);
}

static void release_schema(struct ArrowSchema *schema) { schema->release = NULL; }

static void release_array(struct ArrowArray *array) {
  free((void *)array->buffers[1]);
  free(array->buffers);
  array->release = NULL;
}

/* An array of doubles, all of them twice as large. Nulls are refused. */
NESTFLOW_EXPORT int32_t NESTFLOW_ARROW(doubled)(struct ArrowArray *argument, struct ArrowSchema *argument_schema,
                                               struct ArrowArray *result, struct ArrowSchema *result_schema,
                                               char **err) {
  if (strcmp(argument_schema->format, "g") != 0) {
    *err = text("an array of doubles is wanted, not of format %s", argument_schema->format);
    return 1;
  }
  if (argument->null_count != 0) {
    *err = text("there are nulls%s", "");
    return 1;
  }
  const double *from = (const double *)argument->buffers[1] + argument->offset;
  double *to = malloc(sizeof(double) * (argument->length + 1));
  for (int64_t row = 0; row < argument->length; row++) {
    to[row] = 2 * from[row];
  }
  *result_schema = (struct ArrowSchema){.format = "g", .name = "", .release = release_schema};
  *result = (struct ArrowArray){.length = argument->length, .n_buffers = 2, .release = release_array};
  result->buffers = malloc(2 * sizeof(void *));
  result->buffers[0] = NULL;
  result->buffers[1] = to;
  return 0;
}
