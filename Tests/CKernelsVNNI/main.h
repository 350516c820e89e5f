#ifndef MAIN_H
#define MAIN_H

// Prints text where the checks run.
void say(const char *text);

// Checks the kernels and says the verdict; returns how many differ.
int run_checks(void);

#endif
