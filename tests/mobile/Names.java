// SPDX-License-Identifier: Apache-2.0
import com.sun.source.tree.*;
import com.sun.source.util.*;
import java.io.File;
import java.util.*;
import javax.tools.*;

/**
 * Parses Java sources with the compiler's own parser, without the classes they use: java Names.java FILE... prints a
 * line "TYPE MEMBER" for what is asked of an imported type or of a variable declared with one, "TYPE" for imports alone.
 */
class Names {
  public static void main(String[] paths) throws Exception {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    StandardJavaFileManager files = compiler.getStandardFileManager(found, null, null);
    JavacTask task =
        (JavacTask) compiler.getTask(null, files, found, List.of(), null, files.getJavaFileObjects(paths));
    for (CompilationUnitTree unit : task.parse()) new Reader().scan(unit, null);
    found.getDiagnostics().forEach(System.err::println);
    if (!found.getDiagnostics().isEmpty()) System.exit(1);
  }

  private static final class Reader extends TreeScanner<Void, Void> {
    private final Map<String, String> imports = new HashMap<>();
    private final Map<String, String> variables = new HashMap<>();

    @Override
    public Void visitImport(ImportTree node, Void none) {
      String name = node.getQualifiedIdentifier().toString();
      imports.put(name.substring(name.lastIndexOf('.') + 1), name);
      System.out.println(name);
      return null;
    }

    @Override
    public Void visitVariable(VariableTree node, Void none) {
      if (node.getType() != null) {
        String type = resolved(node.getType().toString());
        if (type != null) variables.put(node.getName().toString(), type);
        else variables.remove(node.getName().toString());
      }
      return super.visitVariable(node, none);
    }

    @Override
    public Void visitMemberSelect(MemberSelectTree node, Void none) {
      String from = node.getExpression().toString();
      String type = variables.containsKey(from) ? variables.get(from) : resolved(from);
      if (type != null) System.out.println(type + " " + node.getIdentifier());
      return super.visitMemberSelect(node, none);
    }

    /** The qualified name of an imported type, also of a member type such as Image.Plane. */
    private String resolved(String name) {
      int dot = name.indexOf('.');
      String outer = imports.get(dot < 0 ? name : name.substring(0, dot));
      return outer == null ? null : dot < 0 ? outer : outer + name.substring(dot);
    }
  }
}
