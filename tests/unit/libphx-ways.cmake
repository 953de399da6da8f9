mcu_unit_test(phx_proxy_test LIBS phx)
mcu_unit_test(phx_poll_body_test LIBS phx)
mcu_unit_test(phx_crowd_test LIBS phx test_tables)
