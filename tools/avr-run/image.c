/*
 * The ELF file by its program headers, because libsimavr's own reader knows a few sections by name
 * and leaves out every other, the build id among them. Intel HEX is fw_image.h's. What the bytes
 * mean is the chip's affair.
 */
#include "image.h"

#include "fw/fw_image.h"
#include "fw/fw_meta.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* avr-gcc's addresses: flash from 0, data memory from here. */
#define DATA_SPACE 0x800000u
#define DATA_END   0x810000u

static int read_at(FILE *file, long at, void *out, size_t n)
{
    return fseek(file, at, SEEK_SET) == 0 && fread(out, 1, n, file) == n ? 0 : -1;
}

static int read_segment(struct image *image, FILE *file, const Elf32_Phdr *segment, size_t most)
{
    uint32_t data_end = segment->p_vaddr + segment->p_memsz;

    if (segment->p_vaddr >= DATA_SPACE && data_end <= DATA_END &&
        data_end - DATA_SPACE > image->ram_end)
        image->ram_end = data_end - DATA_SPACE;
    if (segment->p_filesz == 0 || segment->p_paddr >= DATA_SPACE)
        return 0;
    if (segment->p_paddr > most || segment->p_filesz > most - segment->p_paddr)
        return -1;
    if (segment->p_paddr < image->first)
        image->first = segment->p_paddr;
    if (segment->p_paddr + segment->p_filesz > image->bytes)
        image->bytes = segment->p_paddr + segment->p_filesz;
    return read_at(file, (long)segment->p_offset, image->flash + segment->p_paddr,
                   segment->p_filesz);
}

static int read_segments(struct image *image, FILE *file, const Elf32_Ehdr *head, size_t most)
{
    for (unsigned i = 0; i < head->e_phnum; i++) {
        Elf32_Phdr segment;
        long at = (long)(head->e_phoff + i * sizeof segment);
        if (read_at(file, at, &segment, sizeof segment) != 0)
            return -1;
        if (segment.p_type == PT_LOAD && read_segment(image, file, &segment, most) != 0)
            return -1;
    }
    return image->bytes > 0 ? 0 : -1;
}

static int read_hex(struct image *image, const char *path, size_t most, char *why, size_t why_cap)
{
    struct fw_image hex;
    char reason[FW_WHY_MAX];

    if (fw_image_load(path, &hex, reason) != 0) {
        snprintf(why, why_cap, "%s: %s", path, reason);
        return -1;
    }
    bool fits = hex.base <= most && hex.length <= most - hex.base;
    if (fits) {
        memcpy(image->flash + hex.base, hex.bytes, hex.length);
        image->first = hex.base;
        image->bytes = hex.base + hex.length;
    } else {
        snprintf(why, why_cap, "%s: larger than this AVR's flash", path);
    }
    fw_image_free(&hex);
    return fits ? 0 : -1;
}

int image_read(struct image *image, const char *path, size_t most, char *why, size_t why_cap)
{
    FILE *file = fopen(path, "rb");
    Elf32_Ehdr head;
    int result = -1;

    *image = (struct image){.flash = malloc(most), .first = most};
    if (file == NULL || image->flash == NULL) {
        snprintf(why, why_cap, "%s: %s", path, strerror(errno));
        goto out;
    }
    memset(image->flash, 0xff, most);
    if (fgetc(file) == ':')
        result = read_hex(image, path, most, why, why_cap);
    else if (read_at(file, 0, &head, sizeof head) != 0 ||
             memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS32 ||
             head.e_machine != EM_AVR || head.e_phentsize != sizeof(Elf32_Phdr))
        snprintf(why, why_cap, "%s: neither an AVR's ELF file nor Intel HEX", path);
    else if (read_segments(image, file, &head, most) != 0)
        snprintf(why, why_cap, "%s: damaged, or larger than this AVR's flash", path);
    else
        result = 0;
out:
    if (file)
        fclose(file);
    if (result != 0)
        image_free(image);
    return result;
}

void image_free(struct image *image)
{
    free(image->flash);
    image->flash = NULL;
}
