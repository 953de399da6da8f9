// The Arduino library as a sketch misuses it: tables that are refused, and everything called all
// the same. Says what each call returned; "noise" as argument: poll() on a line that never runs out
// of bytes.
#include <McuProtocol.h>

#include <cstdio>

unsigned long micros()
{
    static unsigned long now;
    return now += 10;
}

class Line : public Stream
{
  public:
    unsigned reads = 0, written = 0;
    bool noise = false;

    int available() override
    {
        return noise;
    }
    int read() override
    {
        reads++;
        return 0x55;
    }
    int availableForWrite() override
    {
        return 64;
    }
    size_t write(uint8_t) override
    {
        written++;
        return 1;
    }
};

MCU_FIRMWARE("sketch", "1.0.0");

static const mp_sensor sensors[] = {
    {"divider", MP_KIND_VOLTAGE, NULL, NULL, MP_TYPE_I16, -3},
};
static McuDevice<> device;
static Line line;

static void use(const char *id)
{
    line.written = 0;
    bool begun = device.begin(line, 115200, id, mcuFirmware, sensors, 1, NULL, 0);
    bool logged = device.log(MP_LEVEL_INFO, "started"), typed = device.console("text");
    bool read = device.reading(0, mcuInt(5)), flushed = device.flush();
    bool changed = device.changed(0, mcuInt(1)), connected = device.connected();
    device.poll();
    std::printf("%d %d%d%d%d%d%d %d\n", begun, logged, typed, read, flushed, changed, connected,
                line.written > 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && std::strcmp(argv[1], "noise") == 0) {
        line.noise = true;
        use("fan-1");
        return line.reads > 0 ? 0 : 1;
    }
    use("an identity far longer than sixteen characters");
    use("sixteen--letters");
    use("seventeen-letters");
    return 0;
}
