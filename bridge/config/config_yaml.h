/*
 * config_yaml.h - what the two files that know libyaml share: config_screen.c, which looks at a
 * document, and config_yaml.c, which reads it. Nobody else includes it.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "config_parse.h"

#include <yaml.h>

/* config_screen.c: complains of all that is no YAML, or YAML that is not taken here. */
void config_screen(struct config_parsing *parsing);

/* Gives a fresh parser the bytes of the file. */
void config_yaml_start(yaml_parser_t *parser, const struct config_source *source);
/* Says why the parser does not go on. */
void config_yaml_complain(struct config_parsing *parsing, const yaml_parser_t *parser);
struct config_mark config_yaml_mark(yaml_mark_t mark);

#endif
