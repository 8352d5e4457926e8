package k8s

import (
	"fmt"
	"slices"
	"strings"
)

// kind is one sort of object that the job works on.
type kind struct {
	// resource is its name for kubectl.
	resource string
	// root is the URL path of its API group.
	root string
	// count is how many objects the job makes, page how many it lists at a time.
	count, page int
	make        func(name string) object
	// patch is a merge patch and patched tells whether an object shows it.
	patch   string
	patched func(object) bool
}

var configMaps = kind{
	resource: "configmaps",
	root:     "/api/v1",
	count:    500,
	page:     50,
	make: func(name string) object {
		return object{
			APIVersion: "v1",
			Kind:       "ConfigMap",
			Metadata:   metadata{Name: name},
			Data:       map[string]string{"state": "new", "text": strings.Repeat("text of "+name+" ", 20)},
		}
	},
	patch:   `{"data":{"state":"patched"}}`,
	patched: func(got object) bool { return got.Data["state"] == "patched" && got.Data["text"] != "" },
}

var leases = kind{
	resource: "leases.coordination.k8s.io",
	root:     "/apis/coordination.k8s.io/v1",
	count:    100,
	page:     25,
	make: func(name string) object {
		return object{
			APIVersion: "coordination.k8s.io/v1",
			Kind:       "Lease",
			Metadata:   metadata{Name: name},
			Spec:       map[string]any{"holderIdentity": "first", "leaseDurationSeconds": 15},
		}
	},
	patch:   `{"spec":{"holderIdentity":"second"}}`,
	patched: func(got object) bool { return got.Spec["holderIdentity"] == "second" },
}

var widgets = kind{
	resource: "widgets.kvd.test",
	root:     "/apis/kvd.test/v1",
	count:    100,
	page:     25,
	make: func(name string) object {
		return object{
			APIVersion: "kvd.test/v1",
			Kind:       "Widget",
			Metadata:   metadata{Name: name},
			Spec:       map[string]any{"size": 1},
		}
	},
	patch:   `{"spec":{"size":2}}`,
	patched: func(got object) bool { return got.Spec["size"] == float64(2) },
}

const widgetDefinition = `{
	"apiVersion": "apiextensions.k8s.io/v1",
	"kind": "CustomResourceDefinition",
	"metadata": {"name": "widgets.kvd.test"},
	"spec": {
		"group": "kvd.test",
		"scope": "Namespaced",
		"names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
		"versions": [{
			"name": "v1", "served": true, "storage": true,
			"schema": {"openAPIV3Schema": {"type": "object", "properties": {
				"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}
			}}}
		}]
	}
}`

// job creates, lists in pages, watches, patches and deletes objects of every kind, in namespaces of its own, and
// leaves nothing behind.
func (a *apiserver) job(prefix string) {
	a.t.Helper()
	namespaces := a.createNamespaces(prefix, 5)
	a.work(namespaces[0], configMaps)
	a.work(namespaces[1], leases)
	a.must(widgetDefinition, "create", "-f", "-")
	a.must("", "wait", "--for=condition=Established", "crd/widgets.kvd.test", "--timeout=60s")
	// The definition is established a moment before its resource is served.
	a.eventually("", "get", widgets.resource, "--namespace", namespaces[2])
	a.work(namespaces[2], widgets)
	// Objects that are still there go with their definition, which is gone once they are.
	a.must(manifest(a.t, widgets.make("last")), "create", "--namespace", namespaces[2], "-f", "-")
	a.must("", "delete", "crd", "widgets.kvd.test", "--timeout=60s")
	a.deleteNamespaces(namespaces)
}

// work takes one kind of objects in one namespace through its life.
func (a *apiserver) work(namespace string, kind kind) {
	a.t.Helper()
	in := []string{"--namespace", namespace}
	watch, stopWatch := a.watch(append([]string{kind.resource}, in...)...)
	defer stopWatch()

	var objects []object
	var names []string
	for number := range kind.count {
		names = append(names, fmt.Sprintf("object-%04d", number))
		objects = append(objects, kind.make(names[number]))
	}
	created := a.must(manifest(a.t, objects...), append([]string{"create", "-f", "-"}, in...)...)
	if got := strings.Count(created, " created\n"); got != kind.count {
		a.t.Fatalf("kubectl created %d of %d %s", got, kind.count, kind.resource)
	}
	watch.waitFor("ADDED", names)
	a.expectNames(namespace, kind, names)

	patchedNames := names[:5]
	for _, name := range patchedNames {
		before := decode[object](a.t, a.must("", append([]string{"get", kind.resource, name, "-o", "json"}, in...)...))
		a.must("", append([]string{"patch", kind.resource, name, "--type=merge", "--patch", kind.patch}, in...)...)
		after := decode[object](a.t, a.must("", append([]string{"get", kind.resource, name, "-o", "json"}, in...)...))
		if !kind.patched(after) || after.Metadata.ResourceVersion == before.Metadata.ResourceVersion {
			a.t.Fatalf("the patch of %s %s does not show: %+v", kind.resource, name, after)
		}
	}
	watch.waitFor("MODIFIED", patchedNames)

	deleted, kept := names[:10], names[10:]
	a.must("", append(append([]string{"delete", kind.resource}, in...), deleted...)...)
	watch.waitFor("DELETED", deleted)
	a.expectNames(namespace, kind, kept)
	// The whole collection in one request: kubectl itself would take the objects one by one, at its own slow rate.
	plural, _, _ := strings.Cut(kind.resource, ".")
	a.must("", "delete", "--raw", kind.root+"/namespaces/"+namespace+"/"+plural)
	watch.waitFor("DELETED", kept)
	a.expectNames(namespace, kind, nil)
}

// expectNames lists a namespace in pages and compares what is there.
func (a *apiserver) expectNames(namespace string, kind kind, want []string) {
	a.t.Helper()
	got, pages := a.list(kind, "--namespace", namespace)
	if !slices.Equal(got, want) {
		a.t.Fatalf("list of %s has %d objects, want %d", kind.resource, len(got), len(want))
	}
	if wanted := max(1, (len(want)+kind.page-1)/kind.page); pages != wanted {
		a.t.Fatalf("list of %d %s took %d pages of %d, want %d", len(want), kind.resource, pages, kind.page, wanted)
	}
}

// list returns the names of all objects in order, and how many pages kubectl asked for.
func (a *apiserver) list(kind kind, arguments ...string) (names []string, pages int) {
	a.t.Helper()
	arguments = append([]string{
		"get", kind.resource, fmt.Sprintf("--chunk-size=%d", kind.page), "-o", "json", "-v=6",
	}, arguments...)
	stdout, stderr, err := a.kubectl("", arguments...)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, item := range decode[struct{ Items []object }](a.t, stdout).Items {
		names = append(names, item.Metadata.Name)
	}
	return names, strings.Count(stderr, fmt.Sprintf("limit=%d", kind.page))
}

func (a *apiserver) createNamespaces(prefix string, count int) []string {
	a.t.Helper()
	var names []string
	var objects []object
	for number := range count {
		names = append(names, fmt.Sprintf("%s-%d", prefix, number))
		objects = append(objects, object{APIVersion: "v1", Kind: "Namespace", Metadata: metadata{Name: names[number]}})
	}
	watch, stopWatch := a.watch("namespaces")
	defer stopWatch()
	a.must(manifest(a.t, objects...), "create", "-f", "-")
	watch.waitFor("ADDED", names)
	a.must("", append(append([]string{"label", "namespaces"}, names...), "job="+prefix)...)
	watch.waitFor("MODIFIED", names)
	labelled := a.must("", "get", "namespaces", "--selector", "job="+prefix, "--chunk-size=2", "-o", "name")
	if got := strings.Fields(labelled); len(got) != count {
		a.t.Fatalf("%d of %d namespaces carry the label: %v", len(got), count, got)
	}
	return names
}

// deleteNamespaces also does what the namespace controller, which does not run here, would do at the end.
func (a *apiserver) deleteNamespaces(names []string) {
	a.t.Helper()
	watch, stopWatch := a.watch("namespaces")
	defer stopWatch()
	watch.waitFor("ADDED", names)
	a.must("", append([]string{"delete", "namespaces", "--wait=false"}, names...)...)
	for _, name := range names {
		finalized := finalizedNamespace(name)
		a.must(finalized, "replace", "--raw", "/api/v1/namespaces/"+name+"/finalize", "-f", "-")
	}
	watch.waitFor("DELETED", names)
	left := a.must("", "get", "namespaces", "-o", "name")
	for _, name := range names {
		if slices.Contains(strings.Fields(left), "namespace/"+name) {
			a.t.Fatalf("namespace %s is still there", name)
		}
	}
}

// finalizedNamespace is a namespace that nothing holds back any more.
func finalizedNamespace(name string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q},"spec":{"finalizers":[]}}`, name)
}
