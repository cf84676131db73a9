package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// server is an upstream kube-apiserver on an etcd of its own, both on loopback, with their files in a temporary directory.
type server struct {
	url, etcd, token string
	dir              string
	processes        []*exec.Cmd
	client           *http.Client
}

// admissionOff names the plugins that want controllers, or objects which the samples do not have.
const admissionOff = "ServiceAccount,PodSecurity,StorageObjectInUseProtection,ValidatingAdmissionWebhook,MutatingAdmissionWebhook"

func startServer(binaries string) (*server, error) {
	dir, err := os.MkdirTemp("", "gantry-schema-")
	if err != nil {
		return nil, err
	}
	s := &server{
		dir:    dir,
		token:  base64.RawURLEncoding.EncodeToString(randomBytes(24)),
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 30 * time.Second},
	}
	if err := s.start(binaries); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) start(binaries string) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	s.etcd = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	s.url = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	key := filepath.Join(s.dir, "service-account.key")
	tokens := filepath.Join(s.dir, "tokens.csv")
	if err := writeKey(key); err != nil {
		return err
	}
	if err := os.WriteFile(tokens, []byte(s.token+",schema,schema,system:masters\n"), 0o600); err != nil {
		return err
	}
	if err := s.run(filepath.Join(binaries, "etcd"), "--name=schema", "--data-dir="+filepath.Join(s.dir, "etcd"),
		"--listen-client-urls="+s.etcd, "--advertise-client-urls="+s.etcd, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=schema="+peer); err != nil {
		return err
	}
	if err := s.run(filepath.Join(binaries, "kube-apiserver"), "--etcd-servers="+s.etcd, "--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", ports[2]), "--cert-dir="+filepath.Join(s.dir, "certs"), "--authorization-mode=RBAC",
		"--token-auth-file="+tokens, "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+key, "--service-account-signing-key-file="+key,
		"--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins="+admissionOff); err != nil {
		return err
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		if _, err = s.get("/readyz", ""); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kube-apiserver is not ready: %w", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (s *server) run(path string, args ...string) error {
	log, err := os.Create(filepath.Join(s.dir, filepath.Base(path)+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, command)
	return nil
}

// stop ends both processes, the API server first, and removes their files.
func (s *server) stop() {
	for i := len(s.processes) - 1; i >= 0; i-- {
		_ = s.processes[i].Process.Kill()
		_ = s.processes[i].Wait()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *server) get(path, accept string) ([]byte, error) {
	return s.do(http.MethodGet, path, accept, nil)
}

func (s *server) do(method, path, accept string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Content-Type", "application/json")
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return answer, fmt.Errorf("%s %s: %s: %.300s", method, path, response.Status, answer)
	}
	return answer, nil
}

// stored is what etcd holds under /registry/, through its JSON gateway.
func (s *server) stored() (map[string][]byte, error) {
	encode := base64.StdEncoding.EncodeToString
	body := fmt.Sprintf(`{"key":%q,"range_end":%q}`, encode([]byte("/registry/")), encode([]byte("/registry0")))
	response, err := s.client.Post(s.etcd+"/v3/kv/range", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Kvs []struct{ Key, Value []byte }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, kv := range answer.Kvs {
		out[string(kv.Key)] = kv.Value
	}
	return out, nil
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func writeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func randomBytes(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails
	return out
}
