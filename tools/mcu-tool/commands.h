/*
 * commands.h - the commands of mcu-tool. Each takes its own name as argv[0] and returns an exit
 * status of options.h.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_list(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_set_id(int argc, char **argv);
int cmd_identify(int argc, char **argv);
int cmd_reset(int argc, char **argv);
int cmd_upload(int argc, char **argv);
int cmd_console(int argc, char **argv);

#endif
