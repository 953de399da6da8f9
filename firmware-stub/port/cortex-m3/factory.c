/*
 * The image that a new board comes with, as bytes: FACTORY_IMAGE names its file.
 */
__asm__(".section .factory, \"a\", %progbits\n\t"
        ".balign 4\n\t"
        ".global factory_start\n"
        "factory_start:\n\t"
        ".incbin \"" FACTORY_IMAGE "\"\n\t"
        ".global factory_end\n"
        "factory_end:\n");
