package harness

import (
	"os/exec"
	"runtime"
	"syscall"
)

type spawnRequest struct {
	command *exec.Cmd
	done    chan error
}

var spawnRequests = make(chan spawnRequest)

func init() {
	go func() {
		// The kernel ties Pdeathsig to the thread that started the child, so one thread that lives as long
		// as this process starts them all: no server outlives an interrupted test run.
		runtime.LockOSThread()
		for request := range spawnRequests {
			request.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			request.done <- request.command.Start()
		}
	}()
}

// Spawn starts a command that is killed when this process ends, however it ends.
func Spawn(command *exec.Cmd) error {
	done := make(chan error)
	spawnRequests <- spawnRequest{command, done}
	return <-done
}
