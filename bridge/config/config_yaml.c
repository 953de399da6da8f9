/*
 * config_yaml.c - walks a YAML document along the table of settings and says what does not fit,
 * with its place. What the document no longer shows has been refused by config_screen.c; what
 * settings mean together is left to config_check.c.
 */
#include "config_yaml.h"
#include "config_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 64 /* bytes of a wrong value that an error shows */

struct walk {
    struct config_parsing *parsing;
    yaml_document_t *document;
};

static struct config_mark mark_of(const yaml_node_t *node)
{
    return config_yaml_mark(node->start_mark);
}

static yaml_node_t *node_of(const struct walk *walk, int index)
{
    return yaml_document_get_node(walk->document, index);
}

static size_t pair_count(const yaml_node_t *node)
{
    return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

static size_t item_count(const yaml_node_t *node)
{
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static struct config_scalar scalar_of(const yaml_node_t *node)
{
    return (struct config_scalar){(const char *)node->data.scalar.value, node->data.scalar.length,
                                  node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE};
}

static bool is_empty(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* What stands there, for an error: "115200bps" in quotation marks, or its shape. */
static const char *found(char *out, size_t cap, const yaml_node_t *node)
{
    char quoted[FOUND_MAX];
    switch (node->type) {
    case YAML_SCALAR_NODE:
        if (is_empty(node))
            return "nothing";
        log_quote(quoted, sizeof quoted, node->data.scalar.value, node->data.scalar.length);
        snprintf(out, cap, "\"%s\"", quoted);
        return out;
    case YAML_SEQUENCE_NODE:
        return "a list";
    case YAML_MAPPING_NODE:
        return "a map";
    case YAML_NO_NODE:
        break;
    }
    return "nothing";
}

static void complain_of_shape(const struct walk *walk, const char *key, const yaml_node_t *node,
                              const char *expected)
{
    char text[FOUND_MAX + 4];
    config_complain(walk->parsing, mark_of(node), "\"%s\": expected %s, found %s", key, expected,
                    found(text, sizeof text, node));
}

static void complain_of_value(const struct walk *walk, const char *key, const yaml_node_t *node,
                              const struct config_complaint *complaint)
{
    char text[FOUND_MAX + 4];
    config_complain(walk->parsing, mark_of(node), "\"%s\": expected %s, found %s%s%s", key,
                    complaint->expected,
                    complaint->hide ? "another (not shown: it may hold a secret)"
                                    : found(text, sizeof text, node),
                    complaint->hint[0] ? "; " : "", complaint->hint);
}

static void take_controls(const struct walk *walk, const yaml_node_t *node, struct config_mcu *mcu);
static void take_words(const struct walk *walk, const struct config_setting *setting,
                       const yaml_node_t *node, char ***member);

static void take_value(const struct walk *walk, const struct config_setting *setting,
                       const yaml_node_t *node, void *base)
{
    struct config_complaint complaint;
    if (setting->type == CONFIG_CONTROLS) {
        take_controls(walk, node, &((struct config_mcu_entry *)base)->mcu);
        return;
    }
    if (setting->type == CONFIG_WORDS) {
        take_words(walk, setting, node, (char ***)(void *)((char *)base + setting->at));
        return;
    }
    if (node->type != YAML_SCALAR_NODE) {
        config_value_expected(setting, complaint.expected, sizeof complaint.expected);
        complain_of_shape(walk, setting->key, node, complaint.expected);
        return;
    }
    struct config_scalar value = scalar_of(node);
    if (config_value_put(setting, &value, walk->parsing->source->folder, base, &complaint))
        complain_of_value(walk, setting->key, node, &complaint);
}

static const char *key_of_row(const void *section, size_t i)
{
    return ((const struct config_section *)section)->settings[i].key;
}

static const char *key_of_section(const void *sections, size_t i)
{
    return ((const struct config_section *)sections)[i].key;
}

/* The section that has a setting of this name, or NULL. */
static const char *home_of(const char *key)
{
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (config_find(&config_sections[i], key, strlen(key)) >= 0)
            return config_sections[i].key;
    return NULL;
}

/* Who writes a secret into the configuration is told of the file that it belongs in. */
static const char *home_as_file(const yaml_node_t *key, char *name, size_t cap)
{
    if (key->type != YAML_SCALAR_NODE)
        return NULL;
    int n = snprintf(name, cap, "%s_file", (const char *)key->data.scalar.value);
    return n > 0 && (size_t)n < cap ? home_of(name) : NULL;
}

static void complain_of_key(const struct walk *walk, const yaml_node_t *key, const char *where,
                            const char *meant)
{
    char text[FOUND_MAX + 4], file[FOUND_MAX];
    const char *typed = found(text, sizeof text, key);
    const char *file_home = home_as_file(key, file, sizeof file);
    struct config_mark at = mark_of(key);
    const char *home =
        key->type == YAML_SCALAR_NODE ? home_of((const char *)key->data.scalar.value) : NULL;
    if (key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, "<<") == 0)
        config_complain(walk->parsing, at, "merge keys (<<) are not taken here: write it out");
    else if (file_home)
        config_complain(walk->parsing, at,
                        "%s: no such setting%s%s; \"%s\" in \"%s\" is the path of a file with it",
                        typed, where[0] ? " in " : "", where, file, file_home);
    else if (meant)
        config_complain(walk->parsing, at, "%s: no such setting%s%s; did you mean \"%s\"?", typed,
                        where[0] ? " in " : "", where, meant);
    else if (home)
        config_complain(walk->parsing, at, "%s: no such setting%s%s; it belongs in \"%s\"", typed,
                        where[0] ? " in " : "", where, home);
    else
        config_complain(walk->parsing, at,
                        "%s: no such setting%s%s; mcu-bridge --help-config lists them", typed,
                        where[0] ? " in " : "", where);
}

static bool is_first(const struct walk *walk, const char *key, struct config_mark *mark,
                     const yaml_node_t *node)
{
    struct config_mark here = mark_of(node);
    if (mark->line) {
        config_complain(walk->parsing, here, "\"%s\": given twice, first in line %u", key,
                        mark->line);
        return false;
    }
    *mark = here;
    return true;
}

static void take_pair(const struct walk *walk, const struct config_section *section,
                      const yaml_node_t *key, const yaml_node_t *value, void *base,
                      struct config_mark *marks)
{
    int row =
        key->type == YAML_SCALAR_NODE
            ? config_find(section, (const char *)key->data.scalar.value, key->data.scalar.length)
            : -1;
    if (row < 0) {
        const char *meant = key->type == YAML_SCALAR_NODE
                                ? config_nearest((const char *)key->data.scalar.value, key_of_row,
                                                 section, section->count)
                                : NULL;
        complain_of_key(walk, key, section->key, meant);
        return;
    }
    if (is_first(walk, section->settings[row].key, &marks[row], key)) {
        marks[row] = mark_of(value);
        take_value(walk, &section->settings[row], value, base);
    }
}

/* A map of settings into `base`; `marks` (CONFIG_SETTINGS_MAX) say what was given and where. */
static void take_map(const struct walk *walk, const struct config_section *section,
                     const yaml_node_t *node, void *base, struct config_mark *marks)
{
    if (node->type != YAML_MAPPING_NODE) {
        complain_of_shape(walk, section->key, node, "settings, as key: value");
        return;
    }
    for (size_t i = 0; i < pair_count(node); i++) {
        const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
        take_pair(walk, section, node_of(walk, pair->key), node_of(walk, pair->value), base, marks);
    }
    for (size_t i = 0; i < section->count; i++)
        if (section->settings[i].required && !marks[i].line)
            config_complain(walk->parsing, mark_of(node), "\"%s\" is missing in %s%s",
                            section->settings[i].key, section->is_list ? "this entry of " : "",
                            section->key);
}

/* The first word that is none ends the list. */
static void take_words(const struct walk *walk, const struct config_setting *setting,
                       const yaml_node_t *node, char ***member)
{
    static const struct config_setting one = {.type = CONFIG_TEXT, .max = CONFIG_WORD_MAX};
    struct config_complaint complaint;
    if (node->type != YAML_SEQUENCE_NODE || item_count(node) == 0 ||
        item_count(node) > setting->max) {
        config_value_expected(setting, complaint.expected, sizeof complaint.expected);
        complain_of_shape(walk, setting->key, node, complaint.expected);
        return;
    }
    *member = calloc(item_count(node) + 1, sizeof **member);
    for (size_t i = 0; *member && i < item_count(node); i++) {
        const yaml_node_t *item = node_of(walk, node->data.sequence.items.start[i]);
        if (item->type != YAML_SCALAR_NODE) {
            complain_of_shape(walk, setting->key, item, "a text");
            return;
        }
        struct config_scalar text = scalar_of(item);
        if (config_value_put(&one, &text, NULL, &(*member)[i], &complaint)) {
            complain_of_value(walk, setting->key, item, &complaint);
            return;
        }
    }
}

static bool is_known_control(const struct walk *walk, const struct config_mcu *mcu,
                             const yaml_node_t *key)
{
    for (size_t i = 0; i < mcu->control_count; i++) {
        const char *name = mcu->controls[i].name;
        if (name && strcmp(name, (const char *)key->data.scalar.value) == 0) {
            config_complain(walk->parsing, mark_of(key), "\"%s\": given twice", name);
            return true;
        }
    }
    return false;
}

static void take_control(const struct walk *walk, const yaml_node_t *key, const yaml_node_t *value,
                         struct config_mcu *mcu)
{
    static const struct config_setting name = {"controls",
                                               CONFIG_TEXT,
                                               1,
                                               CONFIG_NAME_MAX,
                                               NULL,
                                               NULL,
                                               true,
                                               "",
                                               offsetof(struct config_control, name),
                                               sizeof(char *)};
    struct config_control control = {0};
    struct config_mark marks[CONFIG_SETTINGS_MAX] = {{0}};
    struct config_complaint complaint;
    if (key->type != YAML_SCALAR_NODE) {
        complain_of_shape(walk, "controls", key, "the name of a control");
        return;
    }
    struct config_scalar text = scalar_of(key);
    if (config_value_put(&name, &text, NULL, &control, &complaint)) {
        complain_of_value(walk, "controls", key, &complaint);
        return;
    }
    if (!control.name || is_known_control(walk, mcu, key)) {
        free(control.name);
        return;
    }
    config_value_defaults(&config_control_section, &control);
    take_map(walk, &config_control_section, value, &control, marks);
    mcu->controls[mcu->control_count++] = control;
}

static void take_controls(const struct walk *walk, const yaml_node_t *node, struct config_mcu *mcu)
{
    if (node->type != YAML_MAPPING_NODE) {
        complain_of_shape(walk, "controls", node, "a map from names of controls to their settings");
        return;
    }
    if (pair_count(node) > CONFIG_CONTROLS_MAX) {
        config_complain(walk->parsing, mark_of(node),
                        "\"controls\": expected at most %d, found %zu", CONFIG_CONTROLS_MAX,
                        pair_count(node));
        return;
    }
    mcu->controls = calloc(pair_count(node) + 1, sizeof *mcu->controls);
    for (size_t i = 0; mcu->controls && i < pair_count(node); i++) {
        const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
        take_control(walk, node_of(walk, pair->key), node_of(walk, pair->value), mcu);
    }
}

static void take_port(const struct walk *walk, const yaml_node_t *node)
{
    struct config *config = walk->parsing->config;
    struct config_entry_marks *marks = &walk->parsing->port_marks[config->port_count];
    struct config_port *port = &config->ports[config->port_count++];
    if (node->type == YAML_MAPPING_NODE)
        marks->entry = mark_of(node);
    config_value_defaults(&config_sections[CONFIG_PORTS], port);
    take_map(walk, &config_sections[CONFIG_PORTS], node, port, marks->settings);
}

static void take_mcu(const struct walk *walk, const yaml_node_t *node)
{
    struct config *config = walk->parsing->config;
    struct config_entry_marks *marks = &walk->parsing->mcu_marks[config->mcu_count];
    struct config_mcu_entry entry = {.mcu.any_device = true};
    if (node->type == YAML_MAPPING_NODE)
        marks->entry = mark_of(node);
    config_value_defaults(&config_sections[CONFIG_MCUS], &entry);
    take_map(walk, &config_sections[CONFIG_MCUS], node, &entry, marks->settings);
    config->mcus[config->mcu_count] = entry.mcu;
    walk->parsing->own_lines[config->mcu_count++] = entry.port;
}

/* Room for `count` entries of a list, and one more for MCUs' own lines. */
static bool make_room(struct config_parsing *parsing, enum config_section_id id, size_t count)
{
    struct config *config = parsing->config;
    if (id == CONFIG_PORTS) {
        config->ports = calloc(count + 1, sizeof *config->ports);
        parsing->port_marks = calloc(count + 1, sizeof *parsing->port_marks);
        return config->ports && parsing->port_marks;
    }
    config->mcus = calloc(count + 1, sizeof *config->mcus);
    parsing->mcu_marks = calloc(count + 1, sizeof *parsing->mcu_marks);
    parsing->own_lines = calloc(count + 1, sizeof *parsing->own_lines);
    return config->mcus && parsing->mcu_marks && parsing->own_lines;
}

static void take_list(const struct walk *walk, enum config_section_id id, const yaml_node_t *node)
{
    const char *key = config_sections[id].key;
    if (node->type != YAML_SEQUENCE_NODE || item_count(node) == 0) {
        complain_of_shape(walk, key, node, "a list of at least one entry, each after a \"- \"");
        return;
    }
    if (item_count(node) > CONFIG_MCUS_MAX) {
        config_complain(walk->parsing, mark_of(node),
                        "\"%s\": expected at most %d entries, found %zu", key, CONFIG_MCUS_MAX,
                        item_count(node));
        return;
    }
    if (!make_room(walk->parsing, id, item_count(node))) {
        config_complain(walk->parsing, mark_of(node), "out of memory");
        return;
    }
    for (size_t i = 0; i < item_count(node); i++) {
        const yaml_node_t *item = node_of(walk, node->data.sequence.items.start[i]);
        if (id == CONFIG_PORTS)
            take_port(walk, item);
        else
            take_mcu(walk, item);
    }
}

static int find_section(const yaml_node_t *key)
{
    for (int i = 0; i < CONFIG_SECTION_COUNT && key->type == YAML_SCALAR_NODE; i++)
        if (strcmp((const char *)key->data.scalar.value, config_sections[i].key) == 0)
            return i;
    return -1;
}

static void take_nerveshub(const struct walk *walk, const yaml_node_t *value, struct config_mark at)
{
    struct config_entry_marks *marks = &walk->parsing->nerveshub;
    marks->entry = at;
    take_map(walk, &config_sections[CONFIG_NERVESHUB], value, walk->parsing->config,
             marks->settings);
}

static void take_section(const struct walk *walk, const yaml_node_t *key, const yaml_node_t *value,
                         struct config_mark *given)
{
    struct config_mark marks[CONFIG_SETTINGS_MAX] = {{0}};
    int id = find_section(key);
    if (id < 0) {
        const char *meant =
            key->type == YAML_SCALAR_NODE
                ? config_nearest((const char *)key->data.scalar.value, key_of_section,
                                 config_sections, CONFIG_SECTION_COUNT)
                : NULL;
        complain_of_key(walk, key, "", meant);
    } else if (is_first(walk, config_sections[id].key, &given[id], key)) {
        if (id == CONFIG_SERVER)
            walk->parsing->server = given[id];
        if (config_sections[id].is_list)
            take_list(walk, (enum config_section_id)id, value);
        else if (id == CONFIG_NERVESHUB)
            take_nerveshub(walk, value, given[id]);
        else
            take_map(walk, &config_sections[id], value, walk->parsing->config, marks);
    }
}

static void take_root(const struct walk *walk, const yaml_node_t *root)
{
    struct config_mark given[CONFIG_SECTION_COUNT] = {{0}};
    if (root->type != YAML_MAPPING_NODE) {
        char text[FOUND_MAX + 4];
        config_complain(walk->parsing, mark_of(root),
                        "expected sections such as \"server:\" and \"mcus:\", found %s",
                        found(text, sizeof text, root));
        return;
    }
    for (size_t i = 0; i < pair_count(root); i++) {
        const yaml_node_pair_t *pair = &root->data.mapping.pairs.start[i];
        take_section(walk, node_of(walk, pair->key), node_of(walk, pair->value), given);
    }
    if (!given[CONFIG_SERVER].line && !given[CONFIG_NERVESHUB].line)
        config_complain(walk->parsing, mark_of(root), "\"server\" or \"nerveshub\" is missing");
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (config_sections[i].required && !given[i].line)
            config_complain(walk->parsing, mark_of(root), "\"%s\" is missing",
                            config_sections[i].key);
}

bool config_yaml_walk(struct config_parsing *parsing)
{
    yaml_parser_t parser;
    yaml_document_t document;
    config_screen(parsing);
    if (parsing->error_count || !yaml_parser_initialize(&parser))
        return false;
    config_yaml_start(&parser, parsing->source);
    bool loaded = yaml_parser_load(&parser, &document);
    if (loaded) {
        struct walk walk = {parsing, &document};
        yaml_node_t *root = yaml_document_get_root_node(&document);
        if (root)
            take_root(&walk, root);
        else
            config_complain(parsing, (struct config_mark){0},
                            "is empty: a configuration has at least \"server\" and \"mcus\"");
        yaml_document_delete(&document);
    } else {
        config_yaml_complain(parsing, &parser);
    }
    yaml_parser_delete(&parser);
    return loaded;
}
