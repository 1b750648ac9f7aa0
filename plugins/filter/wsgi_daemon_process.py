def f(name, group, user, group_name, python_home, home):
    o=' '.join('%s=%s'%(k,v['value']) for k,v in group['options'].items())
    return 'WSGIDaemonProcess %s user=%s group=%s python-home=%s home=%s display-name=%%{GROUP} lang=C.UTF-8 locale=C.UTF-8 %s'%(name,user,group_name,python_home,home,o)
class FilterModule:
    def filters(self): return {'wsgi_daemon_process': f}
