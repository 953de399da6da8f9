// As much of Arduino's core as McuProtocol.cpp asks for, on the machine that runs the tests.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#define PROGMEM
#define memcpy_P memcpy

class Stream
{
  public:
    virtual ~Stream()
    {
    }
    virtual int available() = 0;
    virtual int read() = 0;
    virtual int availableForWrite()
    {
        return 0;
    }
    virtual size_t write(uint8_t byte) = 0;
};

unsigned long micros();
