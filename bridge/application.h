/*
 * application.h - the profile that a configuration asks for.
 */
#ifndef APPLICATION_H
#define APPLICATION_H

#include "config/config.h"
#include "profile/profile_rules.h"

/* Returns the profile, made in `ruled` where it is one of rules; the texts of `config` must outlive
 * it. NULL: *why says what is wrong, by the setting's name (constant text). */
const struct profile *application_profile(const struct config *config, struct profile_ruled *ruled,
                                          const char **why);

#endif
