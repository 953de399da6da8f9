# phx-dev without its I/O: the JSON scanner, the socket machine, WebSocket frames, HTTP heads.
foreach(part json socket ws http)
  mcu_unit_test(phxdev_${part}_test LIBS phxdev-core test_tables)
endforeach()
