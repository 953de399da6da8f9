/*
 * config_screen.c - is a configuration one plain YAML document? A pass over its events refuses what
 * the document no longer shows afterwards: anchors, tags, a second document, depth. What stands in
 * it is config_yaml.c's.
 */
#include "config_yaml.h"

#include <string.h>

struct config_mark config_yaml_mark(yaml_mark_t mark)
{
    return (struct config_mark){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static struct config_mark mark_of_byte(const struct config_source *source, size_t offset)
{
    struct config_mark mark = {1, 1};
    for (size_t i = 0; i < offset && i < source->n; i++) {
        mark.column++;
        if (source->bytes[i] == '\n')
            mark = (struct config_mark){mark.line + 1, 1};
    }
    return mark;
}

static bool is_tab_at(const struct config_source *source, size_t line, size_t column)
{
    const char *at = source->bytes, *end = source->bytes + source->n;
    while (line-- && at)
        at = memchr(at, '\n', (size_t)(end - at))
                 ? (const char *)memchr(at, '\n', (size_t)(end - at)) + 1
                 : NULL;
    return at && column < (size_t)(end - at) && memchr(at, '\t', column + 1) != NULL;
}

/* What the writer should look at, where libyaml's words do not tell. */
static const char *hint_of(const char *problem, const char *context)
{
    if (strstr(context, "block") || strstr(problem, "mapping values") ||
        strstr(problem, "<document"))
        return "; is it indented as the lines around it?";
    return strstr(context, "quoted") ? "; the quotation mark is not closed" : "";
}

void config_yaml_complain(struct config_parsing *parsing, const yaml_parser_t *parser)
{
    const struct config_source *source = parsing->source;
    if (parser->error == YAML_READER_ERROR) {
        bool control = parser->problem && strstr(parser->problem, "control");
        config_complain(parsing, mark_of_byte(source, parser->problem_offset),
                        control ? "expected text, found a control character"
                                : "expected text in UTF-8, found a byte that is none");
        return;
    }
    if (is_tab_at(source, parser->problem_mark.line, parser->problem_mark.column)) {
        config_complain(parsing, config_yaml_mark(parser->problem_mark),
                        "expected spaces, found a tab: YAML is indented with spaces only");
        return;
    }
    const char *problem = parser->problem ? parser->problem : "out of memory";
    const char *context = parser->context ? parser->context : "";
    bool quoted = strstr(context, "quoted") != NULL;
    config_complain(parsing, config_yaml_mark(quoted ? parser->context_mark : parser->problem_mark),
                    "no YAML: %s%s%s%s", problem, *context ? ", " : "", context,
                    hint_of(problem, context));
}

static bool is_tagged(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag != NULL;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_ALIAS_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        break;
    }
    return false;
}

static bool is_anchored(const yaml_event_t *event)
{
    return event->type == YAML_ALIAS_EVENT ||
           (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
           (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
           (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
}

struct screening {
    unsigned documents, depth;
};

/* Returns false when the walk must end here. */
static bool screen_event(struct config_parsing *parsing, struct screening *seen,
                         const yaml_event_t *event)
{
    struct config_mark at = config_yaml_mark(event->start_mark);
    if (is_anchored(event))
        config_complain(parsing, at,
                        "anchors and aliases (& and *) are not taken here: write it out");
    if (is_tagged(event))
        config_complain(parsing, at, "tags (!) are not taken here");
    if (event->type == YAML_DOCUMENT_START_EVENT && ++seen->documents > 1) {
        config_complain(parsing, at, "a second document: one file is one configuration");
        return false;
    }
    if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT)
        seen->depth++;
    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        seen->depth--;
    if (seen->depth > CONFIG_DEPTH_MAX) {
        config_complain(parsing, at, "nested too deeply: nothing here has more than %d levels",
                        CONFIG_DEPTH_MAX);
        return false;
    }
    return true;
}

void config_yaml_start(yaml_parser_t *parser, const struct config_source *source)
{
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)source->bytes, source->n);
}

void config_screen(struct config_parsing *parsing)
{
    yaml_parser_t parser;
    struct screening seen = {0};
    if (!yaml_parser_initialize(&parser))
        return;
    config_yaml_start(&parser, parsing->source);
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            config_yaml_complain(parsing, &parser);
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT && screen_event(parsing, &seen, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}
