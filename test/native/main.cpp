// The one main of the native tests: doctest finds the cases that the other files register.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "doctest.h"
