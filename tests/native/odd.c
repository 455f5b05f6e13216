/* A library without nestflow_function.h, as there are many; and one that counts what it allocates.
 *
 * Each function takes a text and gives a struct of value and error by value, unless it says otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct answer {
  char *value;
  char *err;
};

static int live;

static char *copy(const char *text) {
  live++;
  return strcpy(malloc(strlen(text) + 1), text);
}

void give_back(char *text) {
  live--;
  free(text);
}

/* How many texts were not given back, but for this one. */
struct answer Live(const char *argument) {
  char number[20];
  (void)argument;
  snprintf(number, sizeof number, "%d", live);
  return (struct answer){copy(number), NULL};
}

struct answer Echo(const char *argument) { return (struct answer){copy(argument), copy("")}; }

struct answer Fail(const char *argument) { return (struct answer){copy("{}"), copy(argument)}; }

struct answer Nothing(const char *argument) {
  (void)argument;
  return (struct answer){NULL, NULL};
}

struct answer Process(const char *argument) {
  char number[20];
  (void)argument;
  snprintf(number, sizeof number, "%d", (int)getpid());
  return (struct answer){copy(number), NULL};
}

/* What stands in the file of this name: any bytes. */
struct answer File(const char *argument) {
  char name[4096], content[65536];
  snprintf(name, sizeof name, "%.*s", (int)strlen(argument) - 2, argument + 1);
  FILE *file = fopen(name, "rb");
  content[fread(content, 1, sizeof content - 1, file)] = 0;
  fclose(file);
  return (struct answer){copy(content), NULL};
}

/* The value alone. */
char *Plain(const char *argument) { return copy(argument); }

/* Ends the process where the argument is 13. */
struct answer Crash(const char *argument) {
  if (!strcmp(argument, "13")) {
    abort();
  }
  return Echo(argument);
}
