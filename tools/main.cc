// ironbark: the command-line tool.

#include "tools/command.h"

int main(int argument_count, char** arguments) { return ironbark::tools::run(argument_count, arguments); }
