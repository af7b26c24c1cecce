/* SPDX-License-Identifier: MIT */
/* The sub-commands of `bmvm image`: as commands.h says, with the host opened for them. */
#ifndef BMVM_CLI_CMD_IMAGE_H
#define BMVM_CLI_CMD_IMAGE_H

struct host;

int image_cmd_build(const struct host *host, int argc, char **argv);
int image_cmd_import(const struct host *host, int argc, char **argv);
int image_cmd_shell(const struct host *host, int argc, char **argv);

#endif
