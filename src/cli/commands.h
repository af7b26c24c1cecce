/* SPDX-License-Identifier: MIT */
/*
 * The commands, one file each (cli/cmd_NAME.c). @argv[0] is the command's own name, options follow.
 * Each prints its answer on stdout, its mistakes with cli_fail(), and returns the exit code.
 */
#ifndef BMVM_CLI_COMMANDS_H
#define BMVM_CLI_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_ssh(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_destroy(int argc, char **argv);
int cmd_gpus(int argc, char **argv);
int cmd_recover(int argc, char **argv);
int cmd_discover(int argc, char **argv);
int cmd_report(int argc, char **argv);

/** cmd_refused() - Answers for madengine's commands that this program leaves to madengine. */
int cmd_refused(int argc, char **argv);

#endif
