package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"

	"platform/lab/process"
)

// takenPorts are the lab's ports that another program listens on. While
// processes of the lab run their ports count as their own.
func takenPorts(p *project) (map[string]int, error) {
	list, err := process.List(p.site)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, func(s process.Status) bool { return s.Alive }) {
		return nil, nil
	}
	taken := p.site.Ports()
	maps.DeleteFunc(taken, func(_ string, port int) bool { return !portTaken(port) })
	return taken, nil
}

func portTaken(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return true
	}
	_ = l.Close()
	return false
}

// checkPorts looks for other programs on the lab's ports.
func checkPorts(_ context.Context, p *project) []finding {
	taken, err := takenPorts(p)
	if err != nil {
		return failed(err)
	}
	var all []finding
	for name, port := range taken {
		all = append(all, finding{says: fmt.Sprintf("another program has port %d of %s; make lab chooses another", port, name)})
	}
	return append(all, finding{says: fmt.Sprintf("%d chosen, on 127.0.0.1", len(p.site.Ports()))})
}
